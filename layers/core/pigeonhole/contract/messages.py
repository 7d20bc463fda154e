"""What crosses a queue or the event bus: versioned, and validated by its receiver.

- Whatever submits or continues a job sends a `ChunkMessage` to functions/worker through `ChunkQueue`. It holds no samples:
  jobs/records.py has the objects in S3 that hold them.
- When a job has ended, functions/notify publishes a `JobEnded` on the event bus and sends a `WebhookMessage` to
  functions/webhooks. For a job of uploads, it also publishes an `UploadsClassified` for every few hundred uploads.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from pigeonhole.contract.commands import ErrorReply, Message
from pigeonhole.contract.jobs import JobStatus


class _JobMessage(Message):
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


class StagedManifest(Message):
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

    model_config = Message.model_config
    key: str = Field(description="The object key of the upload.")
    version_id: str | None
    sequencer: str
    status: Literal["succeeded", "failed"]
    labels: list[str] = Field(description="The labels, best first. Empty for a .jsonl file, and where `error` says why.")
    score: float | None = Field(description="The probability of the best label.")
    error: str | None = Field(description="The code of the error.")
    results_line: int | None = Field(description="The line of the upload's result in the object at `results_uri`, from 1.")


class UploadsClassified(Message):
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
