"""The options of a label set as the table stores them, and the base of every record that is stored as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict


class JsonRecord(BaseModel):
    """Base of what is stored as JSON: in S3, or in an attribute of an item.

    Unknown fields are ignored, because a newer version may have written the record. An error's text never quotes the input,
    so samples, labels and predictions stay out of the log.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    @classmethod
    def from_json(cls, data: str | bytes) -> Self:
        """Read the record that `to_json` wrote.

        Raises:
            ValidationError: It isn't a record of a version that this release reads. It is a ValueError.
        """
        return cls.model_validate_json(data)

    def to_json(self) -> str:
        """Write the record. Fields that are None are left out."""
        return self.model_dump_json(exclude_none=True)


class LabelRecord(JsonRecord):
    """A stored label."""

    key: str | int | float | None = None
    type: Literal["text", "image"]
    value: str
    text: str | None = None


class LabelSetOptionsRecord(JsonRecord):
    """The options of a label set, stored as JSON. Items without a `version` were written before there was one."""

    version: Literal[1] = 1
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
