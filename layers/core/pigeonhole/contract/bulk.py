"""What a bulk job reads and writes: the lines of a manifest, the rows of its results, and the results manifest."""

from __future__ import annotations

import json
from typing import Annotated, Literal

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
from pigeonhole.contract.classification import ClassificationRequest, LabelScore, Sample
from pigeonhole.contract.labels import Instruction, Labels, MultipleLabels, Templates, Threshold, TopK
from pigeonhole.contract.limits import RequestLimits, get_limits
from pigeonhole.contract.validation import check_length, to_faults
from pigeonhole.errors import InvalidRequest

BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # of UTF-8


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
