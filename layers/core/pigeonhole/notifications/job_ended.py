"""Publish the end of a job: the results of its uploads, an event on the bus, and the first attempt of its webhook.

The DynamoDB stream delivers each ended job, and the sweeper re-delivers jobs whose end was not published in time. A notifier
claims the job with a conditional write, so only one of two concurrent notifiers publishes. If the notifier crashes, the
claim expires and the end is published again: at least once, sometimes twice.
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
    """The service behind functions/notify.

    Attributes:
        publisher: Publishes the results of a job's uploads.
    """

    store: JobStore
    bus: EventBus
    webhooks: WebhookQueue
    publisher: JobResultsPublisher
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def notify(self, tenant_id: str, job_id: str) -> tuple[Job, PublishSummary] | None:
        """Publish the end of a job whose notification is pending.

        Returns:
            The job and what was published of its uploads. None if the notification isn't pending.

        Raises:
            Overloaded: A service that is needed is busy. Trying again may help.
        """
        updater = JobUpdater(store=self.store, sleep=self.sleep)
        job = updater.write(tenant_id, job_id, self._claim)
        if job is None:
            return None
        if job.is_next_attempt(1):
            with suppress(Overloaded):  # the sweeper requests the attempt later, and the event must not wait for it
                self.webhooks.send([WebhookMessage(tenant_id=tenant_id, job_id=job_id, attempt=1)])
        summary = self.publisher.publish(job) if job.has_uploads else PublishSummary()
        self.bus.put([to_event(job)])
        # The end is published: if this isn't recorded, it is published a second time.
        stored = replace(updater, retry_when_busy=True).update(tenant_id, job_id, self._mark_published)
        return (stored or job), summary

    def _claim(self, job: Job) -> Job | None:
        return job.with_notification_claimed(self.clock()) if job.notification is NotificationStatus.PENDING else None

    def _mark_published(self, job: Job) -> Job | None:
        return job.with_notification_published() if job.notification is NotificationStatus.CLAIMED else None


def to_event(job: Job) -> JobEnded:
    """Convert an ended job to the event of its end."""
    assert job.finished_at is not None  # noqa: S101 - the job has ended
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
