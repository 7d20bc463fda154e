"""Label sets: labels and options that a tenant keeps under a name, in versions. Pure.

An image of a set's labels is kept as an object of the deployment, by its content; the set has its address.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pigeonhole.errors import PreconditionFailed

ALIASES = {"instruction": "task", "prompt_templates": "prompt_template"}  # what a request may call a set's options


@dataclass(frozen=True)
class LabelSet:
    """One set. `options`: `labels` and what else a request may say of them, as JSON; times are seconds since 1970, UTC.

    `version`: 1 at first, one more at each change, removals between them included.
    """

    tenant_id: str
    name: str
    version: int
    created_at: float
    updated_at: float
    options: Mapping[str, Any]

    def images(self) -> list[str]:
        """The values of its image labels."""
        return images_of(self.options)

    def applied_to(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A request's body with the set's options, where it has none of its own."""
        given = {name for name, value in body.items() if value is not None}
        own = {name: value for name, value in self.options.items() if not given & {name, ALIASES.get(name, name)}}
        return {**body, **own}


@dataclass(frozen=True)
class Precondition:
    """What a caller wants to be so before its change: the set's ETag is one of `match`; or there is no set yet (`is_new`)."""

    match: frozenset[str] | None = None
    is_new: bool = False

    def check(self, known: LabelSet | None) -> None:
        """Raises PreconditionFailed, which says how to go on."""
        if self.is_new and known:
            raise PreconditionFailed("There is a label set of this name already. Send If-Match with its ETag to replace it.")
        if self.match is not None and (known is None or not {"*", etag_of(known)} & self.match):
            raise PreconditionFailed("The label set isn't as it was when you read it. Read it again, and change that.")


def images_of(options: Mapping[str, Any]) -> list[str]:
    """The values of the image labels of a set's options."""
    return [label["value"] for label in options["labels"] if label["type"] == "image"]


def etag_of(label_set: LabelSet) -> str:
    return f'"{label_set.version}"'
