"""What crosses HTTP of uploads: a form by which a file may be sent to S3."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationInfo, field_validator, model_validator

from pigeonhole.contract.classification import Input, Model, RequestLimits, SetName, Text, limits_of
from pigeonhole.contract.validation import within

UPLOADS = "/v1/uploads"
MAX_FILENAME = 200  # characters
UTF8_BYTES = 4  # of a character, at most
BLANK_BYTES = 1_000  # of a text's file, for what is around it


class FileKind(StrEnum):
    """How a file is read, by its name. An image is whatever isn't named as text: what it is, its bytes tell."""

    IMAGE = "image"
    TEXT = "text"
    LINES = "lines"


def most_bytes(kind: FileKind, limits: RequestLimits) -> int:
    """How large a file may be."""
    return {
        FileKind.IMAGE: limits.max_upload_bytes,
        FileKind.TEXT: limits.max_text_chars * UTF8_BYTES + BLANK_BYTES,
        FileKind.LINES: limits.max_body_bytes,
    }[kind]


ImageType = Literal[
    "image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "image/tiff", "image/avif", "application/octet-stream"
]
TextType = Literal["text/plain", "application/jsonl"]
_KINDS = {"text/plain": FileKind.TEXT, "application/jsonl": FileKind.LINES}


def kind_of_type(content_type: str) -> FileKind:
    """How a file of that type is read."""
    return _KINDS.get(content_type, FileKind.IMAGE)


class UploadedFile(BaseModel):
    """A file in the upload bucket, as S3's notification describes it.

    Attributes:
        key: Its object key.
        version_id: Its version, None if the bucket has no versions.
        sequencer: Hex digits, by which S3 orders the events of one object key.
        size: Its bytes.
        samples: How many samples of its job came from it.
        is_lines: Whether each line of it is a sample.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)
    key: Annotated[str, Field(min_length=1)]
    version_id: str | None = None
    sequencer: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{1,64}$")]
    size: Annotated[int, Field(ge=0)]
    samples: Annotated[int, Field(ge=1)] = 1
    is_lines: bool = False


class UploadRequest(Input):
    """The body of `POST /v1/uploads`: what is going to be sent."""

    content_type: Literal[ImageType, TextType] = Field(
        description="The form takes a file of this type alone; one of texts needs a `label_set`."
    )
    label_set: SetName | None = Field(
        None, description="The file is classified by this saved label set as soon as it is there: GET /v1/results."
    )
    size: Annotated[StrictInt, Field(ge=1)] | None = Field(
        None, description="Its bytes: the form takes exactly so many. Without it any number, up to `max_bytes` of the answer."
    )
    filename: Text | None = Field(None, description="Becomes the end of the object's key, to be recognised by.")

    @model_validator(mode="after")
    def _texts_are_classified(self) -> UploadRequest:
        if kind_of_type(self.content_type) is not FileKind.IMAGE and self.label_set is None:
            raise ValueError("a file of texts needs a label_set, which it is classified by; only images are named in requests")
        return self

    @field_validator("size", mode="after")
    @classmethod
    def _is_taken(cls, size: int | None, info: ValidationInfo) -> int | None:
        most = most_bytes(kind_of_type(info.data.get("content_type", "")), limits_of(info))
        if size is not None and size > most:
            raise ValueError(f"at most {most} bytes are taken")
        return size

    @field_validator("filename", mode="after")
    @classmethod
    def _is_short(cls, filename: str | None) -> str | None:
        return None if filename is None else within(filename, MAX_FILENAME, "a file's name")


class Upload(Model):
    """A form to send one file by: POST multipart/form-data to `url`, with all `fields`, and the file last, as `file`."""

    url: str
    fields: dict[str, str]
    s3_uri: str = Field(description="What a request or job then names as an image's `value`.")
    key: str = Field(description="Its part after the bucket, which GET /v1/results takes.")
    max_bytes: int
    expires_at: str = Field(description="Until when the form is taken. ISO 8601, UTC.")
    kept_until: str = Field(description="Until when, at least, the file is kept.")


class UploadResponse(Model):
    """A form, made for one file."""

    success: Literal[True] = True
    log_id: str
    upload: Upload
