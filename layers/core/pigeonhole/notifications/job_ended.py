"""Tell a job's end: the results of the uploads it is made of, an event on the bus, and ask for the first try of its webhook.

The table's stream brings each end, and the sweep lets it bring those again that nobody told. Who takes an end up writes
that down first, over the version that waits: of two, one is too late and tells nothing. If it is lost before it has
written that all is told, the end waits again, so an event may come twice, and never not at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from pigeonhole.contract.messages import JobEnded, WebhookMessage
from pigeonhole.errors import Overloaded
from pigeonhole.jobs.job import Job, NotificationStatus
from pigeonhole.jobs.ports import JobStore, WebhookQueue
from pigeonhole.jobs.update import JobUpdater
from pigeonhole.ports import EventBus
from pigeonhole.timestamps import to_iso
from pigeonhole.uploads.publish_results import JobResultsPublisher, PublishSummary


@dataclass(frozen=True, kw_only=True)
class JobEndNotifier:
    """The service behind functions/notify. `publisher`: tells the results of a job's uploaded objects."""

    store: JobStore
    bus: EventBus
    webhooks: WebhookQueue
    publisher: JobResultsPublisher
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def notify(self, tenant_id: str, job_id: str) -> tuple[Job, PublishSummary] | None:
        """Tell the end of a job that waits for it; the job and what was told of its uploads, None if there is nothing to tell.

        Raises Overloaded where it could not be told now.
        """
        change = JobUpdater(store=self.store, sleep=self.sleep)
        job = change.write(tenant_id, job_id, self._take_up)
        if job is None:
            return None
        if job.is_next_attempt(1):
            with suppress(Overloaded):  # the sweep asks for that try, and no event waits for it
                self.webhooks.send([WebhookMessage(tenant_id=tenant_id, job_id=job_id, attempt=1)])
        published = self.publisher.publish(job) if job.has_uploads else PublishSummary()
        self.bus.put([event_of(job)])
        after = replace(change, retry_when_busy=True).update(tenant_id, job_id, self._note)
        return (after or job), published

    def _take_up(self, job: Job) -> Job | None:
        return job.with_notification_claimed(self.clock()) if job.notification is NotificationStatus.PENDING else None

    def _note(self, job: Job) -> Job | None:
        return job.with_notification_published() if job.notification is NotificationStatus.CLAIMED else None


def event_of(job: Job) -> JobEnded:
    """The event of a job's end."""
    assert job.finished_at is not None  # noqa: S101 - it has ended
    return JobEnded(
        tenant_id=job.tenant_id,
        job_id=job.id,
        status=job.status,
        total=job.total,
        succeeded=job.succeeded,
        failed=job.failed,
        created_at=to_iso(job.created_at),
        finished_at=to_iso(job.finished_at),
    )
