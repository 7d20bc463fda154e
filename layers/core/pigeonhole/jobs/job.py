"""Asynchronous jobs: their states, which may follow which, and how their samples get done part by part. Pure.

    queued ──> processing ──> succeeded | failed
       └───────────┴────────> canceled

A job's samples are cut into chunks of `chunk_size`, a message each. Whoever works on a message writes a **part**: what
became of the samples from `start` to `stop`. A worker that runs out of time writes a shorter part and sends the rest on, so
the parts of a chunk form a chain: each begins at the chunk's first sample or where another ended, and no two begin at the same
sample. Who is about to write goes along the chain first (`rest_of`), so no sample is ever counted twice, however often a
message comes.

What follows an end is told in the same record: an `Announcement` that is waited for, taken up and made, and beside it a
webhook's tries. Each says when the sweep is to see to it, should nobody have done it by then; `due_at` is the earlier one.

Every change makes a new Job of the next `version`; a store writes it over the version before, or not at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from pigeonhole.contract.classification import LabelSetRef
from pigeonhole.contract.jobs import DeliveryStatus, JobStatus
from pigeonhole.contract.messages import Span
from pigeonhole.jobs.webhook import Webhook

MAY_FOLLOW: Mapping[JobStatus, frozenset[JobStatus]] = {
    JobStatus.QUEUED: frozenset(),
    JobStatus.PROCESSING: frozenset({JobStatus.QUEUED}),
    JobStatus.SUCCEEDED: frozenset({JobStatus.PROCESSING}),
    JobStatus.FAILED: frozenset({JobStatus.PROCESSING}),
    JobStatus.CANCELED: frozenset({JobStatus.QUEUED, JobStatus.PROCESSING}),
}
ENDED = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELED})


class NotificationStatus(StrEnum):
    """How far the telling of a job's end is. Whoever takes up one that waits has `LEASE_S` at least until it waits again."""

    WAITING = "waiting"
    TAKEN_UP = "taken_up"
    MADE = "made"


LEASE_S = 60  # for what takes seconds: an announcement, a webhook's try
LONGEST_S = 3_600  # between two requests to do what nobody does
CUT = 8  # pieces that samples are cut into for another try: one that ends its worker takes fewer others with it each time


class IllegalTransition(Exception):
    """A change of state that MAY_FOLLOW doesn't have: a fault of ours."""


@dataclass(frozen=True)
class Part:
    """What became of a span of a job's samples. `succeeded` and `failed` add up to its length.

    `data`: the packed results (results.py), or `key`: the object that holds them, being too large for an item.
    """

    span: Span
    succeeded: int
    failed: int
    data: bytes | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        if not len(self.span) or self.succeeded + self.failed != len(self.span):
            raise ValueError(f"{self.succeeded} and {self.failed} samples are not those of {self.span}")


@dataclass(frozen=True)
class Job:
    """One job. Times are seconds since 1970, UTC.

    `chunk_size`: samples per message; `queued_at`: when all its messages had been sent; `due_at`: when the sweep looks at it
    next, None once nothing is left to do; `expires_at`: when the table may forget it; `announcement`: None until it ends;
    `announce_at`: when it waits again, None once it is made; `has_results_object`:
    its results, too large for an answer, are stored as one object; `has_objects`: its samples came in uploaded files,
    each of which gets a result of its own.
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
    announcement: NotificationStatus | None = None
    announce_at: float | None = None
    webhook: Webhook | None = None
    version: int = 1

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED

    @property
    def done(self) -> int:
        """Samples that have a result or an error."""
        return self.succeeded + self.failed

    def is_due(self, now: float) -> bool:
        """Whether the sweep has something to do for it."""
        return self.due_at is not None and self.due_at <= now

    def chunks(self) -> list[Span]:
        """The spans that the job was cut into, in order."""
        return [Span(start, min(start + self.chunk_size, self.total)) for start in range(0, self.total, self.chunk_size)]

    def queued(self, now: float, due_at: float) -> Job:
        """All messages have been sent. Raises IllegalTransition if it has ended."""
        return replace(self.looked_after(due_at), queued_at=now, updated_at=now)

    def looked_after(self, due_at: float) -> Job:
        """The sweep has looked at it and does so again at `due_at`. That is no change of the job itself.

        Raises IllegalTransition if it has ended: when it is due again is up to what follows its end.
        """
        if self.has_ended:
            raise IllegalTransition(f"a job that is {self.status} has nothing left to queue")
        return replace(self, due_at=due_at, version=self.version + 1)

    def with_results_object(self) -> Job:
        """Return the job after its large results have been stored as one object."""
        return self._after_its_end(has_results_object=True)

    def to_be_announced(self, now: float) -> Job:
        """Its end waits to be told, once more if who had taken that up was lost."""
        return self._after_its_end(announcement=NotificationStatus.WAITING, announce_at=self.again_at(now))

    def taken_up(self, now: float) -> Job:
        """Somebody is telling its end. Raises IllegalTransition unless that is waited for."""
        if self.announcement is not NotificationStatus.WAITING:
            raise IllegalTransition(f"an announcement that is {self.announcement} can't be taken up")
        return self._after_its_end(announcement=NotificationStatus.TAKEN_UP, announce_at=self.again_at(now))

    def announced(self) -> Job:
        """Its end has been told. What its webhook has to do with it is the webhook's."""
        return self._after_its_end(announcement=NotificationStatus.MADE, announce_at=None)

    def awaits_telling(self, now: float) -> bool:
        """Whether its end has waited for so long that it was overlooked, or whoever took it up was lost."""
        return self.announce_at is not None and self.announce_at <= now

    def awaits_try(self, number: int) -> bool:
        """Whether the webhook's try of that number (from 1) is the next thing to do for it."""
        hook = self.webhook
        return bool(self.has_ended and hook and hook.status is DeliveryStatus.PENDING and len(hook.attempts) == number - 1)

    def with_webhook(self, webhook: Webhook) -> Job:
        """A try has been asked for, has begun or has ended."""
        return self._after_its_end(webhook=webhook)

    def again_at(self, now: float) -> float:
        """When to ask again for what follows its end: after as long as that has been waited for already, within bounds.

        So the pauses double, without a count of them.
        """
        return now + min(LONGEST_S, max(LEASE_S, now - (self.finished_at or now)))

    def _after_its_end(self, **fields: Any) -> Job:
        if not self.has_ended:
            raise IllegalTransition(f"a job that is {self.status} has no end yet")
        after = replace(self, version=self.version + 1, **fields)
        of_webhook = after.webhook.due_at if after.webhook else None
        return replace(after, due_at=min((at for at in (after.announce_at, of_webhook) if at is not None), default=None))

    def started(self, now: float) -> Job:
        """A worker has begun. Raises IllegalTransition unless it is queued."""
        return self._changed(now, JobStatus.PROCESSING, started_at=now)

    def with_part(self, part: Part, now: float) -> Job:
        """Count a part; the one that completes the job ends it. Raises IllegalTransition unless it is being processed."""
        if self.status is not JobStatus.PROCESSING or self.done + len(part.span) > self.total:
            raise IllegalTransition(f"a part of {len(part.span)} samples, {self.done} of {self.total} done, {self.status}")
        succeeded, failed = self.succeeded + part.succeeded, self.failed + part.failed
        counted: dict[str, Any] = {"succeeded": succeeded, "failed": failed}
        if succeeded + failed < self.total:
            return self._changed(now, **counted)
        return self._ended(now, JobStatus.SUCCEEDED if succeeded else JobStatus.FAILED, **counted)

    def canceled(self, now: float) -> Job:
        """Nobody wants it any more. Raises IllegalTransition if it has ended."""
        return self._ended(now, JobStatus.CANCELED)

    def _ended(self, now: float, status: JobStatus, **counted: int) -> Job:
        due_at = now + LEASE_S
        return self._changed(
            now,
            status,
            finished_at=now,
            due_at=due_at,
            announcement=NotificationStatus.WAITING,
            announce_at=due_at,
            webhook=replace(self.webhook, due_at=due_at) if self.webhook else None,
            **counted,
        )

    def _changed(self, now: float, status: JobStatus | None = None, **fields: Any) -> Job:
        if status is not None and self.status not in MAY_FOLLOW[status]:
            raise IllegalTransition(f"{self.status} can't become {status}")
        return replace(self, status=status or self.status, updated_at=now, version=self.version + 1, **fields)


@dataclass(frozen=True)
class IdempotencyClaim:
    """An Idempotency-Key and the job that it stands for. `key_hash`, `body_hash`: SHA-256, 64 hex digits."""

    tenant_id: str
    key_hash: str
    body_hash: str
    job_id: str
    expires_at: int


CLAIM_S = 24 * 3600


@dataclass(frozen=True)
class IdempotencyKey:
    """The header's value, and the request's body as it came."""

    value: str
    body: bytes

    def claim_on(self, job: Job) -> IdempotencyClaim:
        expires_at = int(job.created_at) + CLAIM_S
        return IdempotencyClaim(job.tenant_id, self.key_hash, self.body_hash, job.id, expires_at)

    @property
    def body_hash(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

    @property
    def key_hash(self) -> str:
        return hashlib.sha256(self.value.encode("utf-8", "surrogatepass")).hexdigest()


def rest_of(span: Span, done: Iterable[Span]) -> Span:
    """What is left of a message's span: from where the chain of `done` parts that begins there ends. It may be empty."""
    stops = {each.start: each.stop for each in done}
    start = span.start
    while start in stops and start < span.stop:
        start = stops[start]
    return Span(min(start, span.stop), span.stop)


def open_spans(job: Job, done: Iterable[Span]) -> list[Span]:
    """What is left of each chunk, empty ones left out."""
    known = list(done)
    return [rest for chunk in job.chunks() if len(rest := rest_of(chunk, known))]
