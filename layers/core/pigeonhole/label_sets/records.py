"""The options of a label set as the table stores them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

VERSION: Final = 1


class _Record(BaseModel):
    # A field of a newer version is no reason to lose a label set. An error's text never quotes what a caller stored.
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class LabelRecord(_Record):
    """A label."""

    key: str | int | float | None = None
    type: Literal["text", "image"]
    value: str
    text: str | None = None


class LabelSetOptionsRecord(_Record):
    """The options of a label set, stored as JSON. Items without a `version` were written before there was one."""

    version: Literal[1] = VERSION
    labels: list[LabelRecord]
    multiple_labels: bool | None = None
    instruction: str | None = None
    threshold: float | None = None
    top_k: int | None = None
    prompt_templates: list[str] | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> LabelSetOptionsRecord:
        """Convert the options of a LabelSet."""
        return cls.model_validate(options)

    def to_options(self) -> dict[str, Any]:
        """Convert to the options of a LabelSet."""
        return self.model_dump(exclude={"version"}, exclude_none=True)

    @classmethod
    def from_json(cls, data: str) -> LabelSetOptionsRecord:
        """Read the record that `to_json` wrote.

        Raises:
            ValidationError: It isn't a record of this version.
        """
        return cls.model_validate_json(data)

    def to_json(self) -> str:
        """Write the record."""
        return self.model_dump_json(exclude_none=True)
