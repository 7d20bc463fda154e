"""Label sets: labels and options that a tenant stores under a name, in versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pigeonhole.errors import PreconditionFailed

ALIASES = {"instruction": "task", "prompt_templates": "prompt_template"}  # other names that a request may give to an option


@dataclass(frozen=True)
class LabelSet:
    """One version of a label set. Times are seconds since 1970, UTC.

    Attributes:
        tenant_id: The set's owner.
        name: The set's name, unique within its tenant.
        version: 1 for the first version, then one more with each change. Deletions don't reset it.
        created_at: When the first version was created.
        updated_at: When this version was created.
        options: `labels` and the other fields of a request that a label set may hold, as JSON values. The value of an image
            label is the address of the stored image.
    """

    tenant_id: str
    name: str
    version: int
    created_at: float
    updated_at: float
    options: Mapping[str, Any]

    @property
    def etag(self) -> str:
        """The ETag of this version."""
        return f'"{self.version}"'

    @property
    def image_addresses(self) -> list[str]:
        """The s3:// addresses of the images of its labels."""
        return parse_image_addresses(self.options)

    def apply_to(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Add the set's options to a request's body. An option that the body has prevails."""
        given = {name for name, value in body.items() if value is not None}
        added = {name: value for name, value in self.options.items() if not given & {name, ALIASES.get(name, name)}}
        return {**body, **added}


@dataclass(frozen=True)
class Precondition:
    """The state in which a caller wants a label set to be before a change.

    Attributes:
        match: The set must exist with one of these ETags. None if the caller sent no If-Match.
        is_new: No set of this name may exist.
    """

    match: frozenset[str] | None = None
    is_new: bool = False

    def check(self, stored: LabelSet | None) -> None:
        """Compare the precondition with the stored label set.

        Raises:
            PreconditionFailed: The set is in another state.
        """
        if self.is_new and stored:
            raise PreconditionFailed("A label set of this name exists already. Send If-Match with its ETag to replace it.")
        if self.match is not None and (stored is None or not {"*", stored.etag} & self.match):
            raise PreconditionFailed("The label set has changed since you read it. Read it again, then repeat your change.")


def parse_image_addresses(options: Mapping[str, Any]) -> list[str]:
    """Return the values of the image labels in the options of a label set."""
    return [label["value"] for label in options["labels"] if label["type"] == "image"]
