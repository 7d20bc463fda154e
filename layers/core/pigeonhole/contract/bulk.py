"""The request of a bulk job, and the lines of its manifest. bulk_results.py has what the job writes."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import Any, Literal

from pydantic import ConfigDict, Field, StrictBool, ValidationError, field_validator, model_validator

from pigeonhole.contract.base import HttpInput, HttpSchema, Text
from pigeonhole.contract.classification import ClassificationRequest, Sample, require_labels_or_label_set
from pigeonhole.contract.jobs import WebhookUrl
from pigeonhole.contract.labels import Instruction, Labels, LabelSetName, MultipleLabels, Templates, Threshold, TopK
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.questions import HasQuestions, QuestionsRequest
from pigeonhole.contract.validation import to_faults
from pigeonhole.errors import Fault, InvalidRequest

BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # of UTF-8


class OutputFormat(StrEnum):
    """The format of the parts of a bulk job's results."""

    JSONL = "jsonl"
    PARQUET = "parquet"


class ManifestSample(Sample):
    """A line of a manifest."""


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


class BulkQuestions(HasQuestions):
    """The questions of a bulk job, in place of labels."""

    scores: StrictBool = False

    def to_request(self, samples: list[Sample]) -> QuestionsRequest:
        """Make the request that asks about some samples of one type. `BulkOptions.to_request` says more."""
        return QuestionsRequest.model_construct(questions=self.questions, scores=self.scores, dataset=samples, on_error="null")


AnyBulkOptions = BulkOptions | BulkQuestions


class Compute(StrEnum):
    """What classifies a bulk job: workers on Lambda, workers on GPUs, or what suits the job."""

    LAMBDA = "lambda"
    GPU = "gpu"
    AUTO = "auto"


INPUTS = ("s3_uri", "s3_prefix", "upload_id")


def _require_one_input(schema: dict[str, Any]) -> None:
    """Say in the JSON Schema that exactly one of the inputs is given."""
    schema["oneOf"] = [{"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in INPUTS]


class BulkInput(HttpInput):
    """What a bulk job classifies: exactly one of the three."""

    model_config = ConfigDict(json_schema_extra=_require_one_input)

    s3_uri: Text | None = Field(
        None,
        description="The address of a manifest, s3://bucket/key, under a prefix that is granted to you: GET /v1/account. "
        "A line of a JSONL manifest is a sample: `{custom_id?, type, value}`. Texts and images may be mixed. A key that ends "
        "in `.gz` is JSONL compressed by gzip. A key that ends in `.parquet` is a table with these columns.",
    )
    s3_prefix: Text | None = Field(
        None,
        description="An address s3://bucket/prefix, below a prefix that is granted to you. Each object is a sample: a text if "
        "its key ends in `.txt`, an image otherwise.",
    )
    upload_id: Text | None = Field(None, description="The `id` of an upload: POST /v1/uploads with the manifest's media type.")

    @model_validator(mode="after")
    def _require_one(self) -> BulkInput:
        given = [name for name in INPUTS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"must have exactly one of {', '.join(INPUTS)}, and has {' and '.join(given) or 'none'}")
        return self

    @field_validator("s3_uri", mode="after")
    @classmethod
    def _check_address(cls, s3_uri: str | None) -> str | None:
        if s3_uri is not None and not re.fullmatch(r"s3://[^/]+/.+", s3_uri, re.DOTALL):
            raise ValueError("must have the form s3://bucket/key")
        return s3_uri

    @field_validator("s3_prefix", mode="after")
    @classmethod
    def _check_prefix(cls, s3_prefix: str | None) -> str | None:
        if s3_prefix is not None and not re.fullmatch(r"s3://[^/]+/.+", s3_prefix, re.DOTALL):
            raise ValueError("must have the form s3://bucket/prefix")
        return s3_prefix

    @field_validator("upload_id", mode="after")
    @classmethod
    def _check_upload_id(cls, upload_id: str | None) -> str | None:
        if upload_id is not None and not re.fullmatch(r"[0-9a-f]{32}(-[A-Za-z0-9._-]{1,100})?(\.[a-z.]{1,20})?", upload_id):
            raise ValueError("must be the `id` of an upload: POST /v1/uploads")
        return upload_id


class BulkOutput(HttpInput):
    """How the results of a bulk job are written."""

    format: OutputFormat = Field(OutputFormat.JSONL, description="The format of the parts.")


# Ignoring this field silently would mislead the caller.
UNSUPPORTED_BULK = (Fault("dataset", "can't be combined with `input`: send one of the two"),)


def _forbid_dataset(schema: dict[str, Any]) -> None:
    """Say in the JSON Schema what else can't stand beside an `input`."""
    schema["properties"] |= {fault.path: {"type": "null"} for fault in UNSUPPORTED_BULK}


def _require_labels_and_forbid_dataset(schema: dict[str, Any]) -> None:
    require_labels_or_label_set(schema)
    _forbid_dataset(schema)


class _BulkJobFields(HttpInput):
    """What the requests of bulk jobs have in common."""

    input: BulkInput
    output: BulkOutput = BulkOutput(format=OutputFormat.JSONL)
    compute: Compute = Field(
        Compute.AUTO, description="What classifies. `auto` chooses by the size of the input, its cost and what is deployed."
    )
    dry_run: StrictBool = Field(
        False, description="Estimate the samples, spans, cost and time, and start nothing. The answer is a 200 with `estimate`."
    )
    webhook_url: WebhookUrl | None = Field(None, description="As for a job with `dataset`.")


class BulkJobRequest(_BulkJobFields, BulkOptions):
    """A bulk job in the body of `POST /v1/classification/jobs`: labels and options, and `input` in place of `dataset`."""

    model_config = ConfigDict(json_schema_extra=_require_labels_and_forbid_dataset)

    label_set: LabelSetName | None = Field(
        None, description="The name of a saved label set, in place of `labels`. Its options apply where the request has none."
    )

    def to_options(self) -> BulkOptions:
        """Return the labels and options."""
        return BulkOptions.model_construct(**{name: getattr(self, name) for name in BulkOptions.model_fields})


class BulkQuestionsJobRequest(_BulkJobFields, BulkQuestions):
    """A bulk job in the body of `POST /v1/classification/jobs` with `questions` in place of `labels`."""

    model_config = ConfigDict(json_schema_extra=_forbid_dataset)

    def to_options(self) -> BulkQuestions:
        """Return the questions."""
        return BulkQuestions.model_construct(questions=self.questions, scores=self.scores)


AnyBulkJobRequest = BulkJobRequest | BulkQuestionsJobRequest


class ComputeEstimate(HttpSchema):
    """What a bulk job would take on one kind of workers."""

    usd: float = Field(ge=0, description="Its cost in US dollars, at list prices.")
    seconds: float = Field(ge=0, description="About how long it would take.")


class BulkEstimate(HttpSchema):
    """What a bulk job would take."""

    model_config = ConfigDict(serialize_by_alias=True)

    samples: int = Field(ge=0, description="The lines that aren't blank, or the objects.")
    texts: int = Field(ge=0, description="About how many of them are texts.")
    images: int = Field(ge=0, description="About how many of them are images.")
    spans: int = Field(ge=0, description="The parts of the results.")
    is_exact: bool = Field(description="Whether the whole input was counted. Otherwise its rest is estimated by its size.")
    compute: Compute = Field(description="What would classify it.")
    on_lambda: ComputeEstimate = Field(alias="lambda", description="What it would take on Lambda.")
    on_gpu: ComputeEstimate | None = Field(None, alias="gpu", description="Null if no GPU workers are deployed.")


class BulkEstimateResponse(HttpSchema):
    """The answer to a dry run."""

    success: Literal[True] = True
    log_id: str
    estimate: BulkEstimate


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
