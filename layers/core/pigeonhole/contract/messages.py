"""What crosses an invocation, a queue or the event bus: versioned, validated on receipt.

functions/api sends a `ClassifyCommand` to functions/classify and gets a `ClassifyReply`; `DescribeCommand` asks the same
function what it runs (deep health, GET /v1/models). A reply carries either a result or an error from errors.py, by its code.
`ChunkMessage` goes to functions/worker by the queue; jobs/records.py has the samples and results that it stands for. When a job
has ended, functions/notify sends a `JobEnded` to the event bus and a `WebhookMessage` to functions/webhooks. For a job of
uploads, it also sends an `UploadClassified` for each of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from pigeonhole.contract.classification import ClassificationRequest, LabelScore, SampleFault
from pigeonhole.contract.jobs import JobStatus
from pigeonhole.errors import Fault, InternalError, PigeonholeError, from_code

VERSION: Final = 1
# Of what is kept for days: a field that another version of ours knows is no reason to lose a job.
KEPT: Final = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class _Message(BaseModel):
    # An error's text never quotes the input: samples and labels stay out of the log.
    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, json_schema_serialization_defaults_required=True
    )
    version: Literal[1] = VERSION


class S3Grant(BaseModel):
    """Where a tenant may read on S3: keys of `bucket` that begin with `prefix` (never empty, ends with a slash)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    bucket: Annotated[str, Field(min_length=3)]
    prefix: Annotated[str, Field(pattern=r"^[^/].*/$")]


class ClassifyCommand(_Message):
    """Classify one request's samples.

    Attributes:
        grants: What the tenant may name by `s3://`.
        versions: The version of the object that an `s3://` value means, where that isn't the newest.
        is_job: Whether the samples belong to a job. The images of a job may be larger together than those of a request.
        will_be_retried: Whether the caller sends the command again if S3 is too busy to give an image.
        first_index: The index of the first sample among those that the caller sent. Errors and warnings count from there.
    """

    kind: Literal["classify"] = "classify"
    log_id: str
    tenant_id: str
    grants: tuple[S3Grant, ...] = ()
    versions: dict[str, str] = {}
    is_job: bool = False
    will_be_retried: bool = False
    first_index: Annotated[int, Field(ge=0)] = 0
    request: ClassificationRequest


class DescribeCommand(_Message):
    """Ask what model is loaded."""

    kind: Literal["describe"] = "describe"
    log_id: str


class StoreLabelImagesCommand(_Message):
    """Fetch the images of a label set, see that they can be read, and keep them. `paths`: where each is in the body."""

    kind: Literal["keep_images"] = "keep_images"
    log_id: str
    tenant_id: str
    label_set: str
    grants: tuple[S3Grant, ...] = ()
    values: Annotated[list[str], Field(min_length=1)]
    paths: list[str]


AnyCommand = ClassifyCommand | DescribeCommand | StoreLabelImagesCommand
Command = Annotated[AnyCommand, Field(discriminator="kind")]
COMMAND: TypeAdapter[AnyCommand] = TypeAdapter(Command, config=ConfigDict(hide_input_in_errors=True))


class ChunkResult(_Message):
    """What became of each sample, in order. `predictions`: best first, null where `errors` says why.

    `input_tokens`: text tokens and image patches submitted, `label_tokens` of them for labels and instruction;
    `output_tokens`: text tokens of the predictions; `inference_ms`: milliseconds from decoded input to scores.
    """

    model_config = KEPT
    predictions: list[list[str] | None]
    scores: list[list[LabelScore] | None] | None = None
    errors: list[SampleFault] = []
    warnings: list[str] = []
    input_tokens: int
    label_tokens: int = 0
    output_tokens: int
    inference_ms: int


class ModelDescription(_Message):
    """A deployed model. `revision` names its weights; `calibrated`: whether a calibration of that revision is in use."""

    model_id: str
    revision: str
    engine: str
    text_encoder: str
    licence: str
    calibrated: bool
    input_pixels: int
    max_text_tokens: int


class ErrorReply(BaseModel):
    """An error of errors.py on its way between functions."""

    model_config = KEPT
    code: str
    message: str
    details: list[dict[str, str]] = []


class ClassifyReply(_Message):
    """The classify function's answer: exactly one of `result`, `model`, `kept` and `error`.

    `kept`: the address of each image that was to be kept, in order.
    """

    result: ChunkResult | None = None
    model: ModelDescription | None = None
    kept: list[str] | None = None
    error: ErrorReply | None = None


class _JobMessage(_Message):
    tenant_id: Annotated[str, Field(min_length=1)]
    job_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class ChunkMessage(_JobMessage):
    """Work on a span of a job's samples. Ids only: the samples lie in the object that `input_key` (results.py) names."""

    kind: Literal["chunk"] = "chunk"
    start: Annotated[int, Field(ge=0)]
    stop: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _is_not_empty(self) -> ChunkMessage:
        if self.start >= self.stop:
            raise ValueError("stop must be above start")
        return self


class WebhookMessage(_JobMessage):
    """Make a job's webhook's try of number `attempt`, from 1."""

    kind: Literal["webhook"] = "webhook"
    attempt: Annotated[int, Field(ge=1)]


class JobEnded(_JobMessage):
    """The event of a job's end, for whoever has a rule on the bus. Counts are samples; times are ISO 8601, UTC.

    It may come twice, if whoever sent it was lost or learned nothing of its being taken: `job_id` tells.
    """

    kind: Literal["job_ended"] = "job_ended"
    status: JobStatus
    total: int
    succeeded: int
    failed: int
    created_at: str
    finished_at: str


class UploadClassified(_Message):
    """The event of an uploaded object's result, for whoever has a rule on the bus. `labels`: the best first, none where `error`
    says why or where the object is a .jsonl file; `score`: the best one's probability; `results_key`: the object of `bucket`
    that says all.

    It may come twice, if whoever sent it was lost or learned nothing of its being taken: `key`, `version_id` and `job_id` tell.
    Of several of one key the one with the greatest `sequencer`, compared as text, is of the last upload.
    """

    kind: Literal["upload_classified"] = "upload_classified"
    tenant_id: str
    bucket: str
    key: str
    version_id: str | None
    sequencer: str
    label_set: str
    label_set_version: int | None
    job_id: str | None
    status: Literal["succeeded", "failed"]
    labels: list[str]
    score: float | None
    error: str | None
    results_key: str
    classified_at: str


AnyEvent = JobEnded | UploadClassified


@dataclass(frozen=True)
class Span:
    """Samples `start` to `stop`, the latter not among them."""

    start: int
    stop: int

    def __len__(self) -> int:
        return max(0, self.stop - self.start)


def as_error(reply: ErrorReply) -> PigeonholeError:
    """The error of a reply, as it was raised on the other side."""
    details = tuple(Fault(detail.get("path", ""), detail.get("message", "")) for detail in reply.details)
    return from_code(reply.code, reply.message, details)


def as_reply(error: PigeonholeError) -> ErrorReply:
    """An error for the way between functions."""
    details = [{"path": fault.path, "message": fault.message} for fault in error.details]
    return ErrorReply(code=error.code, message=error.message, details=details)


def error_of(reply: ClassifyReply) -> PigeonholeError:
    """The error of a reply that holds no result, as it was raised on the other side."""
    return InternalError() if reply.error is None else as_error(reply.error)
