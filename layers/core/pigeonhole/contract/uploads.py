"""The request and the answer of uploads: a form by which a caller sends one file to S3."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, ValidationInfo, field_validator, model_validator

from pigeonhole.contract.base import HttpInput, HttpSchema, Text
from pigeonhole.contract.labels import LabelSetName
from pigeonhole.contract.limits import RequestLimits, get_limits
from pigeonhole.contract.validation import check_length

UPLOADS = "/v1/uploads"
STORED_FILES = "/v1/store/file"
MEDIA_TYPE = r"[A-Za-z0-9_.+-]+/[A-Za-z0-9_.+-]+( ?;[ -~]*)?"  # of a stored file
MAX_MEDIA_TYPE_CHARS = 200
STORED_FILE_KEY = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}"  # part of URLs and object keys
FILE_PART, OPTIONS_PART = "file", "body"  # of the form of JigsawStack's JavaScript client
MAX_FILENAME_CHARS = 200
MAX_MANIFEST_BYTES = 5_000_000_000  # S3's limit for a form
UTF8_BYTES_PER_CHAR = 4  # at most
BLANK_BYTES = 1_000  # room for the whitespace around a text


class FileKind(StrEnum):
    """How a file is read. Every file that isn't named as a text is read as an image, whose format its bytes tell."""

    IMAGE = "image"
    TEXT = "text"
    LINES = "lines"

    @classmethod
    def from_content_type(cls, content_type: str) -> FileKind:
        """Return how a file of this media type is read."""
        lines = {"application/jsonl": cls.LINES, "application/x-ndjson": cls.LINES}
        return ({"text/plain": cls.TEXT} | lines).get(content_type, cls.IMAGE)

    def max_bytes(self, limits: RequestLimits) -> int:
        """Return the largest size of such a file."""
        return {
            FileKind.IMAGE: limits.max_upload_bytes,
            FileKind.TEXT: limits.max_text_chars * UTF8_BYTES_PER_CHAR + BLANK_BYTES,
            FileKind.LINES: MAX_MANIFEST_BYTES,
        }[self]


ImageType = Literal[
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/gif",
    "image/bmp",
    "image/tiff",
    "image/avif",
    "image/heic",
    "image/heif",
    "application/octet-stream",
]
TextType = Literal["text/plain", "application/jsonl", "application/x-ndjson"]
ArchiveType = Literal["application/gzip", "application/vnd.apache.parquet"]
MANIFEST_TYPES = ("application/jsonl", "application/x-ndjson", *get_args(ArchiveType))


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


def _require_label_set_of_texts(schema: dict[str, Any]) -> None:
    """Let the JSON Schema require a label set where the file is a text, and forbid it where it can only be a manifest."""
    has_label_set = {"properties": {"label_set": {"not": {"type": "null"}}}, "required": ["label_set"]}
    schema["allOf"] = [
        {"if": {"properties": {"content_type": {"const": "text/plain"}}}, "then": has_label_set},
        {"if": {"properties": {"content_type": {"enum": list(get_args(ArchiveType))}}}, "then": {"not": has_label_set}},
    ]


class UploadRequest(HttpInput):
    """The body of `POST /v1/uploads`: the file that will be sent."""

    model_config = ConfigDict(json_schema_extra=_require_label_set_of_texts)

    content_type: Literal[ImageType, TextType, ArchiveType] = Field(
        description="The only media type that the form takes. A text requires a `label_set`. A file of JSONL, gzip or Parquet "
        "without one is the manifest of a bulk job."
    )
    label_set: LabelSetName | None = Field(
        None, description="The saved label set that classifies the file once it is uploaded: GET /v1/results."
    )
    size: Annotated[StrictInt, Field(ge=1)] | None = Field(
        None,
        description="The exact size of the file in bytes. Without it, the form takes any size up to `max_bytes` of the answer.",
    )
    filename: Annotated[Text, Field(json_schema_extra={"maxLength": MAX_FILENAME_CHARS})] | None = Field(
        None, description="Becomes the end of the object key, so that the file can be recognised."
    )

    @property
    def is_manifest(self) -> bool:
        """Whether the file is the manifest of a bulk job."""
        return _is_manifest(self.content_type, self.label_set)

    def max_bytes(self, limits: RequestLimits) -> int:
        """Return the largest size of the file."""
        return _max_bytes(self.content_type, self.label_set, limits)

    @model_validator(mode="after")
    def _check_label_set(self) -> UploadRequest:
        if self.content_type == "text/plain" and self.label_set is None:
            raise ValueError("a text file must have a label_set that classifies it. Requests can only name images")
        if self.content_type in get_args(ArchiveType) and self.label_set is not None:
            raise ValueError("no label set classifies a file of gzip or Parquet: leave label_set out, and send a bulk job")
        return self

    @field_validator("size", mode="after")
    @classmethod
    def _check_size(cls, size: int | None, info: ValidationInfo) -> int | None:
        most = _max_bytes(info.data.get("content_type", ""), info.data.get("label_set"), get_limits(info))
        if size is not None and size > most:
            raise ValueError(f"must be at most {most} bytes")
        return size

    @field_validator("filename", mode="after")
    @classmethod
    def _check_filename(cls, filename: str | None) -> str | None:
        return None if filename is None else check_length(filename, MAX_FILENAME_CHARS, "the name of a file")


def _is_manifest(content_type: str, label_set: str | None) -> bool:
    return label_set is None and content_type in MANIFEST_TYPES


def _max_bytes(content_type: str, label_set: str | None, limits: RequestLimits) -> int:
    is_manifest = _is_manifest(content_type, label_set)
    return MAX_MANIFEST_BYTES if is_manifest else FileKind.from_content_type(content_type).max_bytes(limits)


class Upload(HttpSchema):
    """A form that uploads one file. POST it to `url` as multipart/form-data: all `fields`, and the file last, as `file`."""

    url: str
    fields: dict[str, str]
    s3_uri: str = Field(description="The address that a request or job then names as the `value` of an image.")
    key: str = Field(description="The object key in `s3_uri`, which GET /v1/results takes.")
    id: str | None = Field(None, description="Of a manifest: what a bulk job names as `input.upload_id`.")
    max_bytes: int
    expires_at: str = Field(description="When the form expires. ISO 8601, UTC.")
    kept_until: str = Field(description="Until when the file is stored, at least.")


class UploadResponse(HttpSchema):
    """A form for one file."""

    success: Literal[True] = True
    log_id: str
    upload: Upload


def is_stored_file_key(file_key: str) -> bool:
    """Whether a file of the file store can have this key."""
    return re.fullmatch(STORED_FILE_KEY, file_key, re.ASCII) is not None


class StoredFileOptions(HttpInput):
    """How a file is stored. The query has these options as well."""

    key: Annotated[Text, Field(json_schema_extra={"pattern": f"^{STORED_FILE_KEY}$"})] | None = Field(
        default=None, description="The key of the file. Without it, the file gets a new key."
    )
    content_type: (
        Annotated[Text, Field(json_schema_extra={"pattern": f"^{MEDIA_TYPE}$", "maxLength": MAX_MEDIA_TYPE_CHARS})] | None
    ) = Field(default=None, description="The media type of the file. Default: that of its part.")
    overwrite: StrictBool = Field(default=True, description="Whether the file replaces another one of the same key.")
    temp_public_url: StrictBool = Field(
        default=True, description="Whether the answer has an address by which anybody can read the file for an hour."
    )


class StoredFileResponse(HttpSchema):
    """A file that was stored. Both addresses can be the `value` of an image."""

    success: Literal[True] = True
    log_id: str
    key: str
    url: str = Field(description="The `s3://` address of the file. Your own requests and jobs can name it.")
    size: int = Field(description="Bytes.")
    temp_public_url: str | None = Field(
        default=None,
        description="An address by which anybody can read the file for an hour. Absent with `temp_public_url=false`.",
    )


class DeletedFileResponse(HttpSchema):
    """The answer to the deletion of a file."""

    success: Literal[True] = True
    log_id: str
