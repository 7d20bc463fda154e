"""What the OpenAPI document says of the bodies that may be forms."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from pigeonhole.api.forms.parse import REQUEST_PART
from pigeonhole.contract.decisions.typesafe import SystemOneRequest
from pigeonhole.contract.uploads import FILE_PART, OPTIONS_PART, StoredFileOptions


@dataclass(frozen=True, kw_only=True)
class FormDescription:
    """A body of multipart/form-data.

    Attributes:
        description: What its parts are.
        json_part: The name of the part that is JSON.
        model: The model of that part.
        file_part: The name of the part that is a file. If it is None, every other part is a file.
    """

    description: str
    json_part: str
    model: type[BaseModel]
    file_part: str | None = None

    @property
    def required_part(self) -> str:
        """The name of the part that no form lacks."""
        return self.file_part or self.json_part


SYSTEM_ONE_FORM = FormDescription(
    description=f"The part `{REQUEST_PART}` is the JSON. Each other part is an image, which an asset names by its `part`.",
    json_part=REQUEST_PART,
    model=SystemOneRequest,
)
FILE_FORM = FormDescription(
    description=f"The part `{FILE_PART}` is the file. The part `{OPTIONS_PART}` has its options, which are optional.",
    json_part=OPTIONS_PART,
    model=StoredFileOptions,
    file_part=FILE_PART,
)
