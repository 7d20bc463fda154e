"""What jobs need from the outside, as Protocols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.messages import ChunkMessage, PlanMessage, WebhookMessage
from pigeonhole.contract.spans import Span
from pigeonhole.jobs.job import IdempotencyClaim, Job, Part
from pigeonhole.ports import Page, RetryQueue


@dataclass(frozen=True)
class DueJobs:
    """A page of jobs that are due.

    Attributes:
        jobs: The jobs, the longest due first.
        unreadable: The ids of stored jobs that can't be read.
        next: Where the next page begins, None at the end.
    """

    jobs: list[Job]
    unreadable: list[str]
    next: object | None


class JobStore(Protocol):
    """Stores jobs, their parts and idempotency claims. Reads are consistent, but for `list_page` by status and `list_due`.

    Every method raises Overloaded where trying again may help.
    """

    def create(self, job: Job, claim: IdempotencyClaim | None) -> bool:
        """Store a new job and the claim of its idempotency key, both or neither.

        Returns:
            False, and nothing is stored, if the key has a claim that doesn't expire before the job's `created_at`.
        """
        ...

    def find_claim(self, tenant_id: str, key_hash: str) -> IdempotencyClaim | None:
        """Read the claim of an idempotency key. It may have expired."""
        ...

    def get(self, tenant_id: str, job_id: str) -> Job | None:
        """Read a job, None if there is none. It may have expired."""
        ...

    def save(self, job: Job, part: Part | None = None) -> bool:
        """Write a job over the version before it and add a part, both or neither.

        Returns:
            False, and nothing is written, if the stored job has another version or a part begins at the same sample.
        """
        ...

    def add_attempt(self, job: Job, span: Span) -> int:
        """Record one more attempt at the redelivered message of a span, and return how many there were with this one."""
        ...

    def count_attempts(self, job: Job, span: Span) -> int:
        """Return how many attempts at the redelivered message of a span are recorded."""
        ...

    def list_part_spans(self, tenant_id: str, job_id: str, within: Span) -> list[Span]:
        """List the spans of the parts that begin in `within`, in the order of the samples."""
        ...

    def list_parts(self, tenant_id: str, job_id: str) -> list[Part]:
        """List all parts of a job, in the order of the samples."""
        ...

    def list_page(self, tenant_id: str, status: JobStatus | None, limit: int, start: str | None) -> Page[Job]:
        """List a tenant's jobs, newest first. A page of one status may have fewer than `limit` jobs.

        Args:
            tenant_id: The tenant whose jobs are listed.
            status: Only jobs of this status, None for all.
            limit: The most jobs of the page.
            start: The `next` of the page before, None for the first page.
        """
        ...

    def list_due(self, now: float, limit: int, start: object | None = None) -> DueJobs:
        """List jobs of all tenants whose `due_at` has passed, the longest due first.

        Args:
            now: The time.
            limit: The most jobs of the page.
            start: The `next` of the page before, None for the first page.
        """
        ...


class ChunkQueue(RetryQueue, Protocol):
    """The queue of functions/worker. It may deliver a message more than once, and in any order."""

    def send(self, messages: Sequence[ChunkMessage]) -> None:
        """Queue messages.

        Raises:
            Overloaded: At least one message may not have been queued.
        """
        ...


class PlanQueue(RetryQueue, Protocol):
    """The queue of functions/plan. It may deliver a message more than once."""

    def send(self, messages: Sequence[PlanMessage]) -> None:
        """Queue messages.

        Raises:
            Overloaded: At least one message may not have been queued.
        """
        ...


class WebhookQueue(Protocol):
    """The queue of functions/webhooks. It may deliver a message more than once. The sweeper replaces a lost one."""

    def send(self, messages: Sequence[WebhookMessage]) -> None:
        """Queue messages.

        Raises:
            Overloaded: At least one message may not have been queued.
        """
        ...
