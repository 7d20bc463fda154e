"""Continue what a crash interrupted between two services, and request what is due.

job                                 what the sweeper does
stored, not queued                  queues its chunks
makes no progress                   queues what remains of its chunks
bulk, not ended                     sends a message to functions/plan, which does what the job needs
ended, not published                makes its notification pending again: the DynamoDB stream delivers it to functions/notify
ended, a webhook attempt is due     requests it from functions/webhooks, or gives the delivery up if its day is over
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from pigeonhole.contract.messages import PlanMessage, WebhookMessage
from pigeonhole.contract.spans import Span
from pigeonhole.jobs.job import LEASE_S, Job, remaining_spans
from pigeonhole.jobs.ports import ChunkQueue, JobStore, PlanQueue, WebhookQueue
from pigeonhole.jobs.submit import JobRules, queue_spans
from pigeonhole.jobs.update import JobChange, JobUpdater
from pigeonhole.jobs.webhook import Webhook

PAGE_SIZE = 100  # jobs read at once
STOP_AFTER_S = 35  # after that the sweeper begins with no further job, and the next run finds those that are left

OnFailure = Callable[[str, Exception | None], None]


@dataclass(frozen=True)
class SweepSummary:
    """What one run did.

    Attributes:
        due: How many jobs were due.
        queued: Of how many the remaining samples were queued again.
        notified: Of how many the notification was made pending again.
        webhooks: For how many a webhook attempt was requested.
        given_up: For how many the webhook's delivery was given up.
        failed: How many could not be checked.
    """

    due: int
    queued: int = 0
    notified: int = 0
    webhooks: int = 0
    given_up: int = 0
    failed: int = 0


@dataclass(frozen=True, kw_only=True)
class JobSweeper:
    """The service behind functions/sweep."""

    store: JobStore
    queue: ChunkQueue
    webhooks: WebhookQueue
    plan_queue: PlanQueue
    rules: JobRules
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def sweep(self, on_failure: OnFailure = lambda job_id, error: None) -> SweepSummary:
        """Check the jobs that are due. A job that can't be checked is due again in a minute and delays no other job.

        Args:
            on_failure: Called with the id of each job that can't be checked, and with the error. The error is None if the
                stored job can't be read.

        Raises:
            Overloaded: The jobs that are due can't be listed.
        """
        now, until = self.clock(), self.clock() + STOP_AFTER_S
        due, counts, start = 0, Counter[str](), None
        while self.clock() < until:
            page = self.store.list_due(now, PAGE_SIZE, start)
            due += len(page.jobs) + len(page.unreadable)
            for job_id in page.unreadable:
                counts["failed"] += 1
                on_failure(job_id, None)
            for job in page.jobs:
                if self.clock() >= until:
                    break
                try:
                    counts.update(self._check(job))
                except Exception as error:  # whatever it is, the other jobs must be checked
                    counts["failed"] += 1
                    on_failure(job.id, error)
            start = page.next
            if start is None:
                break
        return SweepSummary(due, **counts)

    def _check(self, job: Job) -> list[str]:
        """Do what a job needs, and name it as SweepSummary does."""
        now = self.clock()
        if not job.has_ended:
            return self._queue(job) if job.bulk is None else self._advance(job)
        actions = []
        if job.is_notification_due(now):
            pending = self._write(
                job, lambda latest: latest.with_notification_pending(now) if latest.is_notification_due(now) else None
            )
            actions += ["notified"] if pending else []
        if job.webhook and job.webhook.due_at is not None and job.webhook.due_at <= now:
            actions += self._request_attempt(job, job.webhook)
        return actions

    def _queue(self, job: Job) -> list[str]:
        """Queue what remains of a job that makes no progress.

        The job is postponed before it is queued, so that jobs that can't be queued aren't the first ones of every run.
        """
        postponed = self._write(job, self._postpone)
        if postponed is None or not self._is_stuck(postponed):
            return []
        queue_spans(self.queue, postponed, self._remaining_spans(postponed))
        # If a worker or another run has changed the job since, its due time is right already.
        self._write(
            postponed, lambda latest: None if latest.has_ended or latest.due_at != postponed.due_at else self._mark(latest)
        )
        return ["queued"]

    def _advance(self, job: Job) -> list[str]:
        """Have functions/plan look at a bulk job. It knows how many spans are complete."""
        due_at = self.clock() + self.rules.stuck_s
        postponed = self._write(
            job, lambda latest: None if latest.has_ended or not latest.is_due(self.clock()) else latest.with_next_check(due_at)
        )
        if postponed is None:
            return []
        self.plan_queue.send([PlanMessage(tenant_id=job.tenant_id, job_id=job.id)])
        return ["queued"]

    def _remaining_spans(self, job: Job) -> list[Span]:
        return remaining_spans(job, self.store.list_part_spans(job.tenant_id, job.id, Span(0, job.total)))

    def _is_stuck(self, job: Job) -> bool:
        return job.queued_at is None or self.clock() >= job.updated_at + self.rules.stuck_s

    def _postpone(self, job: Job) -> Job | None:
        now = self.clock()
        if job.has_ended or not job.is_due(now):  # another run has checked it
            return None
        return job.with_next_check(due_at=now + LEASE_S if self._is_stuck(job) else job.updated_at + self.rules.stuck_s)

    def _mark(self, job: Job) -> Job:
        """Record that all remaining samples are queued. The pauses double while a job makes no progress in a long queue."""
        now = self.clock()
        if job.queued_at is None:
            return job.queued(now, due_at=now + self.rules.stuck_s)
        return job.with_next_check(due_at=now + max(self.rules.stuck_s, now - job.updated_at))

    def _request_attempt(self, job: Job, webhook: Webhook) -> list[str]:
        now = self.clock()
        requested = webhook.with_attempt_requested(now, job.retry_at(now), since=job.finished_at or now)
        # Only if no attempt has begun meanwhile: that attempt has set the time of the next one.
        written = self._write(job, lambda latest: latest.with_webhook(requested) if latest.webhook == webhook else None)
        if requested.due_at is None:
            return ["given_up"] if written else []
        if written:
            number = len(webhook.attempts) + 1
            self.webhooks.send([WebhookMessage(tenant_id=job.tenant_id, job_id=job.id, attempt=number)])
        return ["webhooks"] if written else []

    def _write(self, job: Job, change: JobChange) -> Job | None:
        return JobUpdater(store=self.store, sleep=self.sleep).write(job.tenant_id, job.id, change)
