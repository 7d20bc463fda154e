"""What a bulk job reads and writes: the lines of a manifest, the rows of its results, and the results manifest."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from pigeonhole.contract.base import HttpInput, HttpSchema, Text
from pigeonhole.contract.classification import ClassificationRequest, LabelScore, Sample, require_labels_or_label_set
from pigeonhole.contract.jobs import WebhookUrl
from pigeonhole.contract.labels import Instruction, Labels, LabelSetName, MultipleLabels, Templates, Threshold, TopK
from pigeonhole.contract.limits import RequestLimits, get_limits
from pigeonhole.contract.validation import check_length, to_faults
from pigeonhole.errors import Fault, InvalidRequest

BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # of UTF-8


class OutputFormat(StrEnum):
    """The format of the parts of a bulk job's results."""

    JSONL = "jsonl"
    PARQUET = "parquet"


class ManifestSample(Sample):
    """A line of a manifest: a sample, and the caller's own name for it."""

    custom_id: Text | None = None

    @field_validator("custom_id", mode="after")
    @classmethod
    def _check_custom_id(cls, custom_id: str | None, info: ValidationInfo) -> str | None:
        return None if custom_id is None else check_length(custom_id, get_limits(info).max_custom_id_chars, "a custom_id")


class BulkOptions(HttpInput):
    """The labels and options of a bulk job: as for `POST /v1/classification`, without samples."""

    labels: Labels
    multiple_labels: MultipleLabels = False
    instruction: Instruction = None
    scores: StrictBool = False
    threshold: Threshold = None
    top_k: TopK = None
    prompt_templates: Templates = None

    def to_request(self, samples: list[Sample]) -> ClassificationRequest:
        """Make the request that classifies some samples of one type. A sample that can't be read gets an error of its own."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        # Not validated again: a manifest's samples may be more than a request's, and each was validated as a line.
        return ClassificationRequest.model_construct(**fields, dataset=samples, on_error="null")


class BulkInput(HttpInput):
    """What a bulk job classifies."""

    s3_uri: Text = Field(
        description="The address of a JSONL manifest, s3://bucket/key, under a prefix that is granted to you: GET /v1/account. "
        "A line is a sample: `{custom_id?, type, value}`. Texts and images may be mixed."
    )

    @field_validator("s3_uri", mode="after")
    @classmethod
    def _check_address(cls, s3_uri: str) -> str:
        if not re.fullmatch(r"s3://[^/]+/.+", s3_uri, re.DOTALL):
            raise ValueError("must have the form s3://bucket/key")
        return s3_uri

    @property
    def location(self) -> tuple[str, str]:
        """The bucket and the object key."""
        bucket, _, object_key = self.s3_uri.removeprefix("s3://").partition("/")
        return bucket, object_key


class BulkOutput(HttpInput):
    """How the results of a bulk job are written."""

    format: OutputFormat = Field(OutputFormat.JSONL, description="The format of the parts.")


# Fields of the contract that this deployment doesn't support. Ignoring them silently would mislead the caller.
UNSUPPORTED_BULK = (
    Fault("dry_run", "isn't supported yet. Leave it out"),
    Fault("dataset", "can't be combined with `input`: send one of the two"),
)


def _forbid_dataset(schema: dict[str, Any]) -> None:
    """Say in the JSON Schema what else can't stand beside an `input`."""
    require_labels_or_label_set(schema)
    schema["properties"] |= {fault.path: {"type": "null"} for fault in UNSUPPORTED_BULK}


class BulkJobRequest(BulkOptions):
    """A bulk job in the body of `POST /v1/classification/jobs`: labels and options, and `input` in place of `dataset`."""

    model_config = ConfigDict(json_schema_extra=_forbid_dataset)

    input: BulkInput
    label_set: LabelSetName | None = Field(
        None, description="The name of a saved label set, in place of `labels`. Its options apply where the request has none."
    )
    output: BulkOutput = BulkOutput(format=OutputFormat.JSONL)
    compute: Literal["lambda", "auto"] = Field("auto", description="What classifies. `auto` chooses what is deployed.")
    webhook_url: WebhookUrl | None = Field(None, description="As for a job with `dataset`.")

    def to_options(self) -> BulkOptions:
        """Return the labels and options."""
        return BulkOptions.model_construct(**{name: getattr(self, name) for name in BulkOptions.model_fields})


class ResultRow(HttpSchema):
    """The result of a line: a line of a results part.

    Attributes:
        line: The line of the manifest, from 1.
        custom_id: The line's own `custom_id`.
        prediction: The best label. With `multiple_labels`, the labels, best first.
        scores: All labels, best first, if they were asked for.
    """

    line: int
    custom_id: str | None = None
    prediction: str | list[str]
    scores: list[LabelScore] | None = None


class ErrorRow(HttpSchema):
    """Why a line has no result: a line of an errors part.

    Attributes:
        line: The line of the manifest, from 1.
        custom_id: The line's own `custom_id`, if the line could be read so far.
        code: The code of the error.
        message: How to fix it.
    """

    line: int
    custom_id: str | None = None
    code: str
    message: str


class PartFile(BaseModel):
    """A file of the results.

    Attributes:
        name: Its name, beside the results manifest.
        rows: Its number of rows.
        bytes: Its size.
        sha256: Its SHA-256, in hexadecimal digits.
    """

    model_config = ConfigDict(frozen=True)
    name: str
    rows: int
    bytes: int
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Counts(BaseModel):
    """How many lines there were. Blank lines don't count."""

    model_config = ConfigDict(frozen=True)
    total: int
    succeeded: int
    failed: int


class ResultsManifest(BaseModel):
    """`_manifest.json`, which is written last. Where it is missing, the results aren't complete.

    Attributes:
        version: The version of this format.
        input: What was classified.
        model_id: The model.
        model_revision: The revision of its weights.
        labels: The names of the labels, in the order of the request.
        options: The other options that the request set.
        counts: How many lines succeeded and failed.
        results: The results parts, in the order of the lines.
        errors: The errors parts, in the order of the lines.
        warnings: What the caller should know about labels and samples.
    """

    model_config = ConfigDict(frozen=True)
    version: Literal[1] = 1
    input: str
    model_id: str
    model_revision: str
    labels: list[str]
    options: dict[str, object]
    counts: Counts
    results: list[PartFile]
    errors: list[PartFile]
    warnings: list[str] = Field(default_factory=list)


NOT_JSON = 'is not JSON; write {"type": "text", "value": "…"}'


def parse_manifest_line(data: bytes, limits: RequestLimits) -> ManifestSample:
    """Parse a line of a manifest.

    Args:
        data: The line, without its line feed.
        limits: The limits that its sample must meet.

    Raises:
        InvalidRequest: The line isn't a sample. The message says what must be changed.
    """
    try:
        fields = json.loads(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise InvalidRequest("the line is not text in UTF-8") from None
    except (ValueError, RecursionError):  # numbers with thousands of digits are a ValueError
        raise InvalidRequest(f"the line {NOT_JSON}") from None
    try:
        return ManifestSample.model_validate(fields, context=limits)
    except ValidationError as error:
        faults = to_faults(error, whole="the line")
        raise InvalidRequest("; ".join(f"{fault.path} {fault.message}".lstrip() for fault in faults)) from None
