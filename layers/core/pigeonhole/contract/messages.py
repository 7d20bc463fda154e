"""What crosses an invocation, a queue or the event bus: versioned, and validated by its receiver.

- functions/api sends a command to functions/classify, which returns a `ClassifyReply`.
- Whatever submits or continues a job sends a `ChunkMessage` to functions/worker through `ChunkQueue`. It holds no samples:
  jobs/records.py has the objects in S3 that hold them.
- When a job has ended, functions/notify publishes a `JobEnded` on the event bus and sends a `WebhookMessage` to
  functions/webhooks. For a job of uploads, it also publishes an `UploadsClassified` for every few hundred uploads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from pigeonhole.contract.classification import LabelScore, SampleFault
from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.questions import AnyRequest
from pigeonhole.errors import Fault, InternalError, PigeonholeError, from_code

VERSION: Final = 1
# Part of a reply, whose sender may be of another version: a field that this version doesn't know is ignored.
REPLY_CONFIG: Final = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class _Message(BaseModel):
    # An error never quotes the input, because errors are logged and the input holds samples and labels.
    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, json_schema_serialization_defaults_required=True
    )
    version: Literal[1] = VERSION


# --- between functions/api and functions/classify ---


class S3Grant(BaseModel):
    """The objects that a tenant may read on S3.

    Attributes:
        bucket: The bucket.
        prefix: With what their object keys begin. It is never empty, and ends with a slash.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    bucket: Annotated[str, Field(min_length=3)]
    prefix: Annotated[str, Field(pattern=r"^[^/].*/$")]


class ClassifyCommand(_Message):
    """Classify one request's samples. A request with questions is answered by one reading of each sample.

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
    request: AnyRequest


class DescribeCommand(_Message):
    """Describe the loaded model."""

    kind: Literal["describe"] = "describe"
    log_id: str


class StoreLabelImagesCommand(_Message):
    """Fetch the images of a label set, check that they can be read, and store them.

    Attributes:
        grants: What the tenant may name by `s3://`.
        values: The value of each image, as the caller sent it.
        paths: The path of each image in the body, for its fault.
    """

    kind: Literal["store_label_images"] = "store_label_images"
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
    """The results of samples, in their order.

    Attributes:
        predictions: The labels of each sample, best first. None where `errors` says why, empty if no label reaches the
            threshold.
        scores: The scores of each sample, if the request asked for them.
        errors: The faults of samples that couldn't be read.
        warnings: What the caller should know about the samples.
        input_tokens: Text tokens and image patches that were submitted.
        label_tokens: How many of the input tokens are those of labels and instruction.
        output_tokens: Text tokens of the predictions.
        inference_ms: Milliseconds from decoded input to scores.
    """

    model_config = REPLY_CONFIG
    predictions: list[list[str] | None]
    scores: list[list[LabelScore] | None] | None = None
    errors: list[SampleFault] = []
    warnings: list[str] = []
    input_tokens: int
    label_tokens: int = 0
    output_tokens: int
    inference_ms: int


class ModelDescription(_Message):
    """A deployed model.

    Attributes:
        revision: Identifies its weights.
        engine: The library that runs it, and the precision if it isn't float32.
        text_encoder: What compares a text with a text.
        calibrated: Whether there is a calibration for this revision.
        input_pixels: The side of the square to which an image is resized.
        max_text_tokens: The number of tokens that `text_encoder` reads at once. A longer text is read in windows.
    """

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

    model_config = REPLY_CONFIG
    code: str
    message: str
    details: list[dict[str, str]] = []

    @classmethod
    def from_error(cls, error: PigeonholeError) -> ErrorReply:
        """Convert an error that was raised here."""
        details = [{"path": fault.path, "message": fault.message} for fault in error.details]
        return cls(code=error.code, message=error.message, details=details)

    def to_error(self) -> PigeonholeError:
        """Return the error as the sender raised it."""
        details = tuple(Fault(detail.get("path", ""), detail.get("message", "")) for detail in self.details)
        return from_code(self.code, self.message, details)


class ClassifyReply(_Message):
    """What functions/classify returns: one of `result`, `answers`, `model`, `stored` and `error`.

    Attributes:
        result: The answer to a ClassifyCommand whose request has labels.
        answers: The answer to a ClassifyCommand whose request has questions: a result for each question, in order.
        model: The answer to a DescribeCommand. With `answers`, the model that gave them.
        stored: The answer to a StoreLabelImagesCommand: the address of each stored image, in order.
        error: Why the command failed.
    """

    result: ChunkResult | None = None
    answers: list[ChunkResult] | None = None
    model: ModelDescription | None = None
    stored: list[str] | None = None
    error: ErrorReply | None = None

    @property
    def results(self) -> list[ChunkResult] | None:
        """The result of each question, of which a request with labels is one. None if the reply isn't to a ClassifyCommand."""
        return self.answers if self.result is None else [self.result]

    def to_error(self) -> PigeonholeError:
        """Return the error as functions/classify raised it. A reply without one is a fault of the service."""
        return self.error.to_error() if self.error else InternalError()


# --- on queues and the event bus ---


class _JobMessage(_Message):
    tenant_id: Annotated[str, Field(min_length=1)]
    job_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class ChunkMessage(_JobMessage):
    """Classify a span of a job's samples. The message holds only ids: the samples are in the job's input object."""

    kind: Literal["chunk"] = "chunk"
    start: Annotated[int, Field(ge=0)] = Field(description="The index of the first sample of the span.")
    stop: Annotated[int, Field(ge=1)] = Field(description="The index after the last sample of the span.")

    @model_validator(mode="after")
    def _check_not_empty(self) -> ChunkMessage:
        if self.start >= self.stop:
            raise ValueError("stop must be above start")
        return self


class PlanMessage(_JobMessage):
    """Do the next step of a bulk job: plan more spans, queue those that aren't complete, or end the job."""

    kind: Literal["plan"] = "plan"


class StagedManifest(_Message):
    """A part of a manifest that the planner has written to the job bucket, because the input can't be read by ranges."""

    start_byte: Annotated[int, Field(ge=0)] = Field(description="The offset of the part's first byte in the manifest.")
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = Field(description="The SHA-256 of the part.")


class SpanMessage(_JobMessage):
    """Classify a span of a bulk job's manifest. The message has all that bulk.manifest.ManifestSpan has."""

    kind: Literal["span"] = "span"
    number: Annotated[int, Field(ge=0)] = Field(description="The number of the span, from 0.")
    start_byte: Annotated[int, Field(ge=0)] = Field(description="The offset of the span's first byte in the manifest.")
    stop_byte: Annotated[int, Field(ge=1)] = Field(description="The offset after the span's last byte.")
    first_line: Annotated[int, Field(ge=1)] = Field(description="The number of the span's first line, from 1.")
    lines: Annotated[int, Field(ge=1)] = Field(description="The number of the span's lines, blank ones included.")
    samples: Annotated[int, Field(ge=1)] = Field(description="The number of the span's lines that aren't blank.")
    etag: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="Identifies the content of the manifest. None if the span is read from a staged part of it."
    )
    staged: StagedManifest | None = Field(None, description="The staged part that holds the span.")


class FailedSpanMessage(_JobMessage):
    """Give the lines of a span that have no result an error, because the GPU run that had the span has failed."""

    kind: Literal["failed_span"] = "failed_span"
    run: Annotated[int, Field(ge=0)] = Field(description="The number of the GPU run.")
    span: SpanMessage
    error: ErrorReply = Field(description="The error of each line.")


class WebhookMessage(_JobMessage):
    """Make an attempt to deliver a job's webhook."""

    kind: Literal["webhook"] = "webhook"
    attempt: Annotated[int, Field(ge=1)] = Field(description="The number of the attempt, from 1.")


AnyWork = ChunkMessage | SpanMessage
AnyDeadWork = AnyWork | FailedSpanMessage
_CONFIG = ConfigDict(hide_input_in_errors=True)
# What each queue delivers.
WORK: TypeAdapter[AnyWork] = TypeAdapter(Annotated[AnyWork, Field(discriminator="kind")], config=_CONFIG)
DEAD_WORK: TypeAdapter[AnyDeadWork] = TypeAdapter(Annotated[AnyDeadWork, Field(discriminator="kind")], config=_CONFIG)
PLAN: TypeAdapter[PlanMessage] = TypeAdapter(PlanMessage)
WEBHOOK: TypeAdapter[WebhookMessage] = TypeAdapter(WebhookMessage)


class JobEnded(_JobMessage):
    """The event that a job has ended. It may be published twice: `job_id` identifies it. Times are ISO 8601, UTC."""

    kind: Literal["job_ended"] = "job_ended"
    status: JobStatus
    total: int = Field(description="How many samples the job has.")
    succeeded: int = Field(description="How many samples have a result.")
    failed: int = Field(description="How many samples have an error.")
    created_at: str
    finished_at: str


class ClassifiedUpload(BaseModel):
    """An upload in an `UploadsClassified`."""

    model_config = _Message.model_config
    key: str = Field(description="The object key of the upload.")
    version_id: str | None
    sequencer: str
    status: Literal["succeeded", "failed"]
    labels: list[str] = Field(description="The labels, best first. Empty for a .jsonl file, and where `error` says why.")
    score: float | None = Field(description="The probability of the best label.")
    error: str | None = Field(description="The code of the error.")
    results_line: int | None = Field(description="The line of the upload's result in the object at `results_uri`, from 1.")


class UploadsClassified(_Message):
    """The event that uploads have results: those of one job, or some that no job can classify.

    An upload may be published twice: `key`, `version_id` and `job_id` identify its result. Among the results of one `key`, the
    one with the greatest `sequencer`, compared as text, belongs to the last upload.
    """

    kind: Literal["uploads_classified"] = "uploads_classified"
    tenant_id: str
    bucket: str = Field(description="The bucket of the uploads.")
    label_set: str
    label_set_version: int | None
    job_id: str | None
    results_uri: str | None = Field(description="The address of the object with the whole results of the job's uploads.")
    classified_at: str = Field(description="When the results were stored. ISO 8601, UTC.")
    uploads: Annotated[list[ClassifiedUpload], Field(min_length=1)]


AnyEvent = JobEnded | UploadsClassified


@dataclass(frozen=True)
class Span:
    """A range of samples.

    Attributes:
        start: The index of the first sample.
        stop: The index after the last sample.
    """

    start: int
    stop: int

    def __len__(self) -> int:
        return max(0, self.stop - self.start)
