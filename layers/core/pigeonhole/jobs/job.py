"""Asynchronous jobs: their statuses, the allowed transitions, and the parts in which their samples are classified. Pure.

    queued ──> processing ──> succeeded | failed
       └───────────┴────────> canceled

The samples of a job are cut into chunks of `chunk_size`, and the queue carries one message per chunk. A worker stores the
results of a message's samples as **parts**. A worker that runs out of time stores a shorter part and queues the rest. So the
parts of a chunk form a chain: each begins at the chunk's first sample or where another part ended. No two parts begin at the
same sample. Every writer follows the chain before it writes (`remaining_span`). So a sample is counted once, however often
its message is delivered.

The end of a job is published in three steps, and the job records the step reached (`NotificationStatus`). Its webhook records
its own attempts (webhook.py). Each of the two has a time at which the sweeper checks it. `due_at` is the earlier one.

Every change makes a new Job of the next `version`. A store writes it only over the version before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal

from pigeonhole.contract.commands import ErrorReply
from pigeonhole.contract.jobs import DeliveryStatus, JobStatus
from pigeonhole.contract.labels import LabelSetRef
from pigeonhole.contract.spans import Span
from pigeonhole.jobs.webhook import Webhook

# For each status, those that a job may have before it.
ALLOWED_BEFORE: Mapping[JobStatus, frozenset[JobStatus]] = {
    JobStatus.QUEUED: frozenset(),
    JobStatus.PROCESSING: frozenset({JobStatus.QUEUED}),
    JobStatus.SUCCEEDED: frozenset({JobStatus.PROCESSING}),
    JobStatus.FAILED: frozenset({JobStatus.PROCESSING}),
    JobStatus.CANCELED: frozenset({JobStatus.QUEUED, JobStatus.PROCESSING}),
}
ENDED = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELED})


class NotificationStatus(StrEnum):
    """How far publishing a job's end is.

    A notifier claims a pending notification for at least `LEASE_S`. If the notifier crashes, the sweeper makes the
    notification pending again.
    """

    PENDING = "pending"
    CLAIMED = "claimed"
    PUBLISHED = "published"


LEASE_S = 60  # for work that takes seconds: publishing a job's end, or one webhook attempt
MAX_BACKOFF_S = 3_600  # upper bound between two re-deliveries of a job's end or of a webhook attempt
# Each further attempt splits the samples into so many more pieces, so a sample that crashes its worker fails fewer others.
RETRY_SPLIT = 8


class IllegalTransition(Exception):
    """A change of a job that its status doesn't allow: a bug of this service."""


@dataclass(frozen=True)
class Part:
    """The stored results of a span of a job's samples.

    Attributes:
        span: The samples.
        succeeded: How many of them have a prediction.
        failed: How many of them have an error. The two add up to the length of the span.
        data: The packed results (results.py). None if they are too large for an item.
        object_key: The object that holds the packed results instead.
    """

    span: Span
    succeeded: int
    failed: int
    data: bytes | None = None
    object_key: str | None = None

    def __post_init__(self) -> None:
        if not len(self.span) or self.succeeded + self.failed != len(self.span):
            raise ValueError(f"{self.succeeded} and {self.failed} samples are not those of {self.span}")


@dataclass(frozen=True)
class BulkPlan:
    """How far the manifest of a bulk job has been divided into spans.

    Attributes:
        etag: The content of the manifest that is planned, None until a planner has found the manifest. Empty for a prefix.
        segments: The number of stored segments of the plan.
        spans: The number of spans, None until the whole manifest has been planned.
        attempts: How often a redelivered message was attempted since the last segment.
        compute: What classifies the spans: `lambda` or `gpu`. None until a planner has chosen it.
        gpu_runs: The number of runs of GPU workers that planners have submitted.
        gpu_run_id: The id of the last run, None while it is submitted.
    """

    etag: str | None = None
    segments: int = 0
    spans: int | None = None
    attempts: int = 0
    compute: str | None = None
    gpu_runs: int = 0
    gpu_run_id: str | None = None


@dataclass(frozen=True)
class Job:
    """One job. Times are seconds since 1970, UTC.

    Attributes:
        total: The number of samples.
        chunk_size: The number of samples per message.
        multiple_labels: Whether a prediction is an array of labels.
        expires_at: When the job and its results expire.
        due_at: When the sweeper checks the job next, None once nothing is left to do.
        queued_at: When all messages had been queued, None before that.
        succeeded: How many samples have a prediction.
        failed: How many samples have an error.
        label_set: The label set that the labels came from, if any.
        has_results_object: Whether the results, too large for an answer, are stored as one object.
        has_uploads: Whether the samples came in uploaded files, each of which gets a result of its own.
        has_names: Whether the caller named samples or questions. The names are an object of their own.
        notification: How far publishing the end is, None until the job ends.
        notify_at: When the sweeper makes the notification pending again, None once it is published.
        webhook: The webhook that is notified of the end, if the caller named one.
        bulk: The plan of a bulk job, whose samples are the lines of a manifest. Until it is planned, `total` is 0. Its parts
            are counted apart (bulk/ports.py), and `succeeded` and `failed` are set at its end.
        error: Why no sample could be classified, if that is not a matter of single samples.
        version: Goes up by one at each change.
    """

    tenant_id: str
    id: str
    total: int
    chunk_size: int
    multiple_labels: bool
    created_at: float
    updated_at: float
    expires_at: int
    due_at: float | None
    status: JobStatus = JobStatus.QUEUED
    queued_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    succeeded: int = 0
    failed: int = 0
    label_set: LabelSetRef | None = None
    has_results_object: bool = False
    has_uploads: bool = False
    has_names: bool = False
    notification: NotificationStatus | None = None
    notify_at: float | None = None
    webhook: Webhook | None = None
    bulk: BulkPlan | None = None
    error: ErrorReply | None = None
    version: int = 1

    @property
    def has_ended(self) -> bool:
        """Whether no sample will be classified any more."""
        return self.status in ENDED

    @property
    def processed(self) -> int:
        """The number of samples that have a prediction or an error."""
        return self.succeeded + self.failed

    def is_due(self, now: float) -> bool:
        """Tell whether the sweeper must check the job."""
        return self.due_at is not None and self.due_at <= now

    def chunks(self) -> list[Span]:
        """List the spans that the job was cut into, in order."""
        return [Span(start, min(start + self.chunk_size, self.total)) for start in range(0, self.total, self.chunk_size)]

    def queued(self, now: float, due_at: float) -> Job:
        """Record that all messages have been queued.

        Raises:
            IllegalTransition: The job has ended.
        """
        return replace(self.with_next_check(due_at), queued_at=now, updated_at=now)

    def with_next_check(self, due_at: float) -> Job:
        """Record that the sweeper has checked a job that hasn't ended, and checks it again at `due_at`.

        `updated_at` stays, because the samples made no progress.

        Raises:
            IllegalTransition: The job has ended.
        """
        if self.has_ended:
            raise IllegalTransition(f"a job that is {self.status} has nothing left to queue")
        return replace(self, due_at=due_at, version=self.version + 1)

    def started(self, now: float) -> Job:
        """Record that a worker has begun with the first samples.

        Raises:
            IllegalTransition: The job isn't queued.
        """
        return self._changed(now, JobStatus.PROCESSING, started_at=now)

    def with_part(self, part: Part, now: float) -> Job:
        """Count the samples of a part. The part that completes the job ends it.

        Raises:
            IllegalTransition: The job isn't being processed, or has fewer samples left.
        """
        if self.status is not JobStatus.PROCESSING or self.processed + len(part.span) > self.total:
            raise IllegalTransition(
                f"a part of {len(part.span)} samples, {self.processed} of {self.total} processed, {self.status}"
            )
        succeeded, failed = self.succeeded + part.succeeded, self.failed + part.failed
        counts: dict[str, Any] = {"succeeded": succeeded, "failed": failed}
        if succeeded + failed < self.total:
            return self._changed(now, **counts)
        return self._ended(now, JobStatus.SUCCEEDED if succeeded else JobStatus.FAILED, **counts)

    def with_plan_attempt(self) -> Job:
        """Record that a redelivered message of the planner is attempted.

        Raises:
            IllegalTransition: The job isn't a bulk job, or has ended.
        """
        bulk = self._open_plan()
        return replace(self, bulk=replace(bulk, attempts=bulk.attempts + 1), version=self.version + 1)

    def with_manifest(self, now: float, etag: str, compute: str, due_at: float) -> Job:
        """Record which content of the manifest is planned and what classifies it, before the first span is queued.

        Raises:
            IllegalTransition: The job isn't being processed, or its manifest is known.
        """
        bulk = self._open_plan()
        if bulk.etag is not None:
            raise IllegalTransition(f"a job with {bulk} has its manifest")
        return self._changed(now, bulk=replace(bulk, etag=etag, compute=compute), due_at=due_at)

    def with_segment(self, now: float, number: int, due_at: float) -> Job:
        """Record that a segment of a bulk job's plan is stored and its spans are queued.

        Raises:
            IllegalTransition: The job isn't being processed, or the segment isn't the next one.
        """
        bulk = self._open_plan()
        if bulk.spans is not None or bulk.segments != number:
            raise IllegalTransition(f"segment {number} of a job with {bulk}")
        return self._changed(now, bulk=replace(bulk, segments=number + 1, attempts=0), due_at=due_at)

    def with_gpu_run(self, now: float) -> Job:
        """Record that a planner submits a run of GPU workers.

        Raises:
            IllegalTransition: The job isn't being processed.
        """
        bulk = self._open_plan()
        return self._changed(now, bulk=replace(bulk, gpu_runs=bulk.gpu_runs + 1, gpu_run_id=None))

    def with_gpu_run_id(self, run_id: str, due_at: float) -> Job:
        """Record that the last run of GPU workers is submitted.

        Raises:
            IllegalTransition: The job isn't being processed.
        """
        return replace(self, bulk=replace(self._open_plan(), gpu_run_id=run_id), due_at=due_at, version=self.version + 1)

    def planned(self, now: float, *, spans: int, total: int, due_at: float) -> Job:
        """Record that the whole manifest of a bulk job has been planned, and all spans are queued.

        Raises:
            IllegalTransition: The job isn't being processed, or has been planned.
        """
        bulk = self._open_plan()
        if bulk.spans is not None:
            raise IllegalTransition(f"a job with {bulk} is planned")
        return self._changed(now, bulk=replace(bulk, spans=spans, attempts=0), total=total, queued_at=now, due_at=due_at)

    def completed(self, now: float, *, succeeded: int, failed: int) -> Job:
        """End a bulk job all of whose spans are complete.

        Raises:
            IllegalTransition: The counts aren't those of the whole manifest.
        """
        if self.bulk is None or self.bulk.spans is None or succeeded + failed != self.total:
            raise IllegalTransition(f"{succeeded} and {failed} samples don't complete a job of {self.total} with {self.bulk}")
        status = JobStatus.SUCCEEDED if succeeded else JobStatus.FAILED
        return self._ended(now, status, succeeded=succeeded, failed=failed)

    def failed_as_a_whole(self, now: float, error: ErrorReply) -> Job:
        """End a job of which no sample can be classified.

        Raises:
            IllegalTransition: The job isn't being processed.
        """
        return replace(self._ended(now, JobStatus.FAILED), error=error)

    def canceled(self, now: float) -> Job:
        """End the job on its tenant's request.

        Raises:
            IllegalTransition: The job has ended.
        """
        return self._ended(now, JobStatus.CANCELED)

    def with_results_object(self) -> Job:
        """Record that the large results have been stored as one object.

        Raises:
            IllegalTransition: The job hasn't ended.
        """
        return self._changed_after_end(has_results_object=True)

    def with_notification_pending(self, now: float) -> Job:
        """Make the notification pending again, because it was overlooked or its notifier crashed.

        Raises:
            IllegalTransition: The job hasn't ended.
        """
        return self._changed_after_end(notification=NotificationStatus.PENDING, notify_at=self.retry_at(now))

    def with_notification_claimed(self, now: float) -> Job:
        """Record that a notifier publishes the end.

        Raises:
            IllegalTransition: The notification isn't pending.
        """
        if self.notification is not NotificationStatus.PENDING:
            raise IllegalTransition(f"a notification that is {self.notification} can't be claimed")
        return self._changed_after_end(notification=NotificationStatus.CLAIMED, notify_at=self.retry_at(now))

    def with_notification_published(self) -> Job:
        """Record that the end has been published. The webhook may still have attempts to make.

        Raises:
            IllegalTransition: The job hasn't ended.
        """
        return self._changed_after_end(notification=NotificationStatus.PUBLISHED, notify_at=None)

    def is_notification_due(self, now: float) -> bool:
        """Tell whether the notification was overlooked, or its claim has expired."""
        return self.notify_at is not None and self.notify_at <= now

    def is_next_attempt(self, number: int) -> bool:
        """Tell whether the webhook's next attempt has this number, counted from 1."""
        hook = self.webhook
        return bool(self.has_ended and hook and hook.status is DeliveryStatus.PENDING and len(hook.attempts) == number - 1)

    def with_webhook(self, webhook: Webhook) -> Job:
        """Record that a webhook attempt was requested, has begun or has ended.

        Raises:
            IllegalTransition: The job hasn't ended.
        """
        return self._changed_after_end(webhook=webhook)

    def retry_at(self, now: float) -> float:
        """Compute when work that follows the end is re-delivered if it isn't done by then.

        The pause is as long as the time since the end, within bounds. So the pauses double, without a stored count.
        """
        return now + min(MAX_BACKOFF_S, max(LEASE_S, now - (self.finished_at or now)))

    def _open_plan(self) -> BulkPlan:
        if self.status is not JobStatus.PROCESSING or self.bulk is None:
            raise IllegalTransition(f"a job that is {self.status} with {self.bulk} isn't being planned")
        return self.bulk

    def _changed_after_end(self, **fields: Any) -> Job:
        if not self.has_ended:
            raise IllegalTransition(f"a job that is {self.status} hasn't ended yet")
        job = replace(self, version=self.version + 1, **fields)
        times = (job.notify_at, job.webhook.due_at if job.webhook else None)
        return replace(job, due_at=min((time for time in times if time is not None), default=None))

    def _ended(self, now: float, status: JobStatus, **counts: int) -> Job:
        due_at = now + LEASE_S
        return self._changed(
            now,
            status,
            finished_at=now,
            due_at=due_at,
            notification=NotificationStatus.PENDING,
            notify_at=due_at,
            webhook=replace(self.webhook, due_at=due_at) if self.webhook else None,
            **counts,
        )

    def _changed(self, now: float, status: JobStatus | None = None, **fields: Any) -> Job:
        if status is not None and self.status not in ALLOWED_BEFORE[status]:
            raise IllegalTransition(f"{self.status} can't become {status}")
        return replace(self, status=status or self.status, updated_at=now, version=self.version + 1, **fields)


@dataclass(frozen=True)
class IdempotencyClaim:
    """An idempotency key that stands for a job.

    Attributes:
        key_hash: `IdempotencyKey.key_hash`.
        body_hash: `IdempotencyKey.body_hash`.
        job_id: The job.
        expires_at: From when on the key may stand for another job, in seconds since 1970, UTC.
    """

    tenant_id: str
    key_hash: str
    body_hash: str
    job_id: str
    expires_at: int


CLAIM_S = 24 * 3600


@dataclass(frozen=True)
class IdempotencyKey:
    """What makes two requests the same job.

    Attributes:
        namespace: Who made the key: the caller, by the Idempotency-Key header, or this service, for a redrive or for uploads.
        value: The key, unique within its namespace and tenant.
        body: The request's body. The same key with another body is an error.
    """

    namespace: Literal["caller", "redrive", "uploads"]
    value: str
    body: bytes

    def to_claim(self, job: Job) -> IdempotencyClaim:
        """Make the claim by which the key stands for a job for `CLAIM_S` seconds."""
        expires_at = int(job.created_at) + CLAIM_S
        return IdempotencyClaim(job.tenant_id, self.key_hash, self.body_hash, job.id, expires_at)

    @property
    def body_hash(self) -> str:
        """The SHA-256 of the body, as 64 hex digits."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def key_hash(self) -> str:
        """The SHA-256 of namespace and value, as 64 hex digits.

        A caller's key has no prefix. It can't equal a prefixed one, because no HTTP header holds a line break.
        """
        prefix = "" if self.namespace == "caller" else f"{self.namespace}\n"
        return hashlib.sha256((prefix + self.value).encode("utf-8", "surrogatepass")).hexdigest()


def remaining_span(span: Span, stored: Iterable[Span]) -> Span:
    """Compute which samples of a message's span have no stored results yet.

    Args:
        span: The message's samples.
        stored: The spans of the stored parts that begin in `span`.

    Returns:
        The samples from where the chain of parts ends, an empty span if none is left.
    """
    stops = {part.start: part.stop for part in stored}
    start = span.start
    while start in stops and start < span.stop:
        start = stops[start]
    return Span(min(start, span.stop), span.stop)


def remaining_spans(job: Job, stored: Iterable[Span]) -> list[Span]:
    """Compute the remaining span of each chunk that isn't complete.

    Args:
        job: The job.
        stored: The spans of all stored parts of the job.
    """
    parts = list(stored)
    return [rest for chunk in job.chunks() if len(rest := remaining_span(chunk, parts))]
