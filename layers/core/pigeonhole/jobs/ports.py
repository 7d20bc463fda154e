"""What jobs need from the outside, as Protocols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.messages import ChunkMessage, Span, WebhookMessage
from pigeonhole.jobs.job import IdempotencyClaim, Job, Part
from pigeonhole.ports import Page, RetryQueue


@dataclass(frozen=True)
class Due:
    """Some jobs that are due. `unreadable`: the keys of those of which the store can't make a job; `next`: where the next page
    begins, None at the end."""

    jobs: list[Job]
    unreadable: list[str]
    next: object | None


class JobStore(Protocol):
    """Jobs, their parts and the Idempotency-Keys that stand for them. All reads see what was written before.

    Every method raises Overloaded where trying again may help.
    """

    def create(self, job: Job, claim: IdempotencyClaim | None) -> bool:
        """Keep a new job and, with it, the claim on its Idempotency-Key: both or neither.

        False, and nothing is kept, if there is such a claim already that hasn't expired by the job's `created_at`.
        """
        ...

    def claim(self, tenant_id: str, key_hash: str) -> IdempotencyClaim | None:
        """Find a claim; an expired one may still be found."""
        ...

    def get(self, tenant_id: str, job_id: str) -> Job | None: ...

    def save(self, job: Job, part: Part | None = None) -> bool:
        """Write a job over the version before it and, with it, a part: both or neither.

        False, and nothing is written, if the stored job is of another version or a part begins at the same sample.
        """
        ...

    def done(self, tenant_id: str, job_id: str, within: Span) -> list[Span]:
        """The spans of the parts that begin in `within`, in order."""
        ...

    def parts(self, tenant_id: str, job_id: str) -> list[Part]:
        """All parts of a job, in order."""
        ...

    def page(self, tenant_id: str, status: JobStatus | None, limit: int, start: str | None) -> Page[Job]:
        """At most `limit` jobs of a tenant, newest first, of one status if it is given. `start`: an earlier page's `next`.

        Some pages of one status have fewer than `limit`.
        """
        ...

    def due(self, now: float, limit: int, start: object | None = None) -> Due:
        """At most `limit` jobs of all tenants whose `due_at` has come, the longest due first. `start`: a page's `next`."""
        ...


class ChunkQueue(RetryQueue, Protocol):
    """The way from whoever has work to functions/worker. A message may come more than once, and in any order."""

    def send(self, messages: Sequence[ChunkMessage]) -> None:
        """Raises Overloaded if one of them may not have been taken."""
        ...


class WebhookQueue(Protocol):
    """The way to functions/webhooks. A message may come more than once, or never: the sweep sends it again."""

    def send(self, messages: Sequence[WebhookMessage]) -> None:
        """Raises Overloaded if one of them may not have been taken."""
        ...
