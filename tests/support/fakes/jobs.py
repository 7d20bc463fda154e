"""Fakes of the store of jobs and of the queue of chunks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock

from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.messages import ChunkMessage
from pigeonhole.contract.spans import Span
from pigeonhole.jobs.job import ALLOWED_BEFORE, IdempotencyClaim, Job, NotificationStatus, Part
from pigeonhole.jobs.ports import DueJobs
from pigeonhole.ports import Page


@dataclass
class FakeJobStore:
    """A JobStore in memory.

    Attributes:
        jobs: Jobs by tenant and id.
        parts_by_job: Parts by tenant and job, and then by their first sample.
        claims: Claims on idempotency keys by tenant and hash.
        attempts: Recorded attempts by tenant, job and span.
        before: Is called before each write. It may raise, or make another writer the faster one.
        writes: How many writes succeeded.
        stream: Tenant and id of each job whose end is to be published, as the table's stream delivers them to functions/notify.
    """

    jobs: dict[tuple[str, str], Job] = field(default_factory=dict)
    parts_by_job: dict[tuple[str, str], dict[int, Part]] = field(default_factory=dict)
    claims: dict[tuple[str, str], IdempotencyClaim] = field(default_factory=dict)
    attempts: dict[tuple[str, str, Span], int] = field(default_factory=dict)
    before: Callable[[], None] = lambda: None
    writes: int = 0
    stream: list[tuple[str, str]] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def create(self, job: Job, claim: IdempotencyClaim | None) -> bool:
        self.before()
        with self._lock:
            known = self.claims.get((claim.tenant_id, claim.key_hash)) if claim else None
            if (job.tenant_id, job.id) in self.jobs or (known and known.expires_at > job.created_at):
                return False
            self.writes += 1
            self.jobs[job.tenant_id, job.id] = job
            if claim:
                self.claims[claim.tenant_id, claim.key_hash] = claim
            return True

    def find_claim(self, tenant_id: str, key_hash: str) -> IdempotencyClaim | None:
        return self.claims.get((tenant_id, key_hash))

    def get(self, tenant_id: str, job_id: str) -> Job | None:
        return self.jobs.get((tenant_id, job_id))

    def save(self, job: Job, part: Part | None = None) -> bool:
        self.before()
        with self._lock:
            parts = self.parts_by_job.setdefault((job.tenant_id, job.id), {})
            known = self.jobs.get((job.tenant_id, job.id))
            if known is None or known.version != job.version - 1 or (part and part.span.start in parts):
                return False
            if known.status not in {job.status, *ALLOWED_BEFORE[job.status]}:
                return False
            self.writes += 1
            self.jobs[job.tenant_id, job.id] = job
            if part:
                parts[part.span.start] = part
            if job.notification is NotificationStatus.PENDING:
                self.stream.append((job.tenant_id, job.id))
            return True

    def add_attempt(self, job: Job, span: Span) -> int:
        self.before()
        with self._lock:
            key = (job.tenant_id, job.id, span)
            self.attempts[key] = self.attempts.get(key, 0) + 1
            return self.attempts[key]

    def count_attempts(self, job: Job, span: Span) -> int:
        return self.attempts.get((job.tenant_id, job.id, span), 0)

    def list_part_spans(self, tenant_id: str, job_id: str, within: Span) -> list[Span]:
        return [part.span for part in self.list_parts(tenant_id, job_id) if within.start <= part.span.start < within.stop]

    def list_parts(self, tenant_id: str, job_id: str) -> list[Part]:
        return [part for _, part in sorted(self.parts_by_job.get((tenant_id, job_id), {}).items())]

    def list_page(self, tenant_id: str, status: JobStatus | None, limit: int, start: str | None) -> Page[Job]:
        jobs = [
            job
            for job in sorted(self.jobs.values(), key=lambda job: job.id, reverse=True)
            if job.tenant_id == tenant_id and status in (None, job.status) and (start is None or job.id < start)
        ]
        return Page(jobs[:limit], next=jobs[limit - 1].id if len(jobs) > limit else None)

    def list_due(self, now: float, limit: int, start: object | None = None) -> DueJobs:
        # Jobs that are due at the same time keep the order of their creation. Ids are random, so with the order of ids a
        # simulation with the same seed would not repeat itself.
        due = sorted(
            (job.due_at, number, job)
            for number, job in enumerate(self.jobs.values())
            if job.due_at is not None and job.due_at <= now
        )
        rest = [entry for entry in due if start is None or entry[:2] > start]
        jobs = [job for _, _, job in rest[:limit]]
        return DueJobs(jobs, unreadable=[], next=rest[limit - 1][:2] if len(rest) > limit else None)


@dataclass
class FakeChunkQueue:
    """A ChunkQueue in memory.

    Attributes:
        sent: All messages.
        delays: Receipt and seconds of each message that is to be redelivered earlier or later.
        before: Is called before each message, and may raise between two of them.
    """

    sent: list[ChunkMessage] = field(default_factory=list)
    delays: list[tuple[str, int]] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    def send(self, messages: Sequence[ChunkMessage]) -> None:
        for message in messages:
            self.before()
            self.sent.append(message)

    def retry_in(self, receipt: str, seconds: int) -> None:
        self.delays.append((receipt, seconds))
