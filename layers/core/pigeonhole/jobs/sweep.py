"""Mend what a crash between two services left, and send what is due.

job                               what the sweep does
written, not queued               queues its chunks
stands still                      queues what is left of them
ended, nobody told                lets its end wait to be told again: the table's stream brings it to functions/notify
ended, its webhook's try is due   asks functions/webhooks for it; gives up where the day is over
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from pigeonhole.contract.messages import Span, WebhookMessage
from pigeonhole.jobs.job import LEASE_S, Job, open_spans
from pigeonhole.jobs.ports import ChunkQueue, JobStore, WebhookQueue
from pigeonhole.jobs.submit import JobRules, queue_spans
from pigeonhole.jobs.update import JobUpdater
from pigeonhole.jobs.webhook import Webhook

AT_ONCE = 100  # jobs read in one go
FOR_S = 35  # jobs are begun with for so long; those that are left are due the next time

Failed = Callable[[str, Exception | None], None]


@dataclass(frozen=True)
class SweepSummary:
    """How many jobs were due; of how many what was left was queued again, the end was let wait again, a webhook's try was asked
    for, a webhook was given up; and how many could not be looked after."""

    due: int
    queued: int = 0
    announced: int = 0
    webhooks: int = 0
    given_up: int = 0
    failed: int = 0


@dataclass(frozen=True, kw_only=True)
class JobSweeper:
    """The service behind functions/sweep."""

    store: JobStore
    queue: ChunkQueue
    webhooks: WebhookQueue
    rules: JobRules
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def sweep(self, failed: Failed = lambda job_id, error: None) -> SweepSummary:
        """Look after the jobs that are due. One that can't be looked after is due again in a minute, and holds up no other.

        `failed`: is told the id of each such job, and why, if it isn't the record itself that can't be read.
        """
        now, until = self.clock(), self.clock() + FOR_S
        due, done, start = 0, Counter[str](), None
        while self.clock() < until:
            page = self.store.due(now, AT_ONCE, start)
            due += len(page.jobs) + len(page.unreadable)
            for job_id in page.unreadable:
                done["failed"] += 1
                failed(job_id, None)
            for job in page.jobs:
                if self.clock() >= until:
                    break
                try:
                    done.update(self._look_after(job))
                except Exception as error:  # whatever it is, the others' turn comes
                    done["failed"] += 1
                    failed(job.id, error)
            start = page.next
            if start is None:
                break
        return SweepSummary(due, **done)

    def _look_after(self, job: Job) -> list[str]:
        """See to what a job needs; what that was, as Swept has it."""
        now = self.clock()
        if not job.has_ended:
            return self._queue(job)
        seen_to = []
        if job.awaits_telling(now):
            told = self._change(job, lambda job: job.to_be_announced(now) if job.awaits_telling(now) else None)
            seen_to += ["announced"] if told else []
        if job.webhook and job.webhook.due_at is not None and job.webhook.due_at <= now:
            seen_to += self._ask_for_try(job, job.webhook)
        return seen_to

    def _queue(self, job: Job) -> list[str]:
        """Queue what is left of a job that stands still.

        It is put off first, so that jobs that can't be queued aren't the first ones of each sweep.
        """
        taken_up = self._change(job, self._take_up)
        if taken_up is None or not self._stands_still(taken_up):
            return []
        done = self.store.done(job.tenant_id, job.id, Span(0, job.total))
        queue_spans(self.queue, job, open_spans(job, done))
        self._change(job, lambda job: None if job.has_ended or job.due_at != taken_up.due_at else self._note(job))
        return ["queued"]

    def _stands_still(self, job: Job) -> bool:
        return job.queued_at is None or self.clock() >= job.updated_at + self.rules.stuck_s

    def _take_up(self, job: Job) -> Job | None:
        now = self.clock()
        if job.has_ended or not job.is_due(now):  # somebody else has seen to it
            return None
        return job.looked_after(due_at=now + LEASE_S if self._stands_still(job) else job.updated_at + self.rules.stuck_s)

    def _note(self, job: Job) -> Job:
        """All that was left is queued. One that goes on standing still, as in a long queue, is queued ever less often."""
        now = self.clock()
        if job.queued_at is None:
            return job.queued(now, due_at=now + self.rules.stuck_s)
        return job.looked_after(due_at=now + max(self.rules.stuck_s, now - job.updated_at))

    def _ask_for_try(self, job: Job, hook: Webhook) -> list[str]:
        now = self.clock()
        after = hook.asked(now, job.again_at(now), since=job.finished_at or now)
        # Unless a try has begun meanwhile, which knows better when the next one is due.
        asked = self._change(job, lambda job: job.with_webhook(after) if job.webhook == hook else None)
        if after.due_at is None:
            return ["given_up"] if asked else []
        if asked:
            number = len(hook.attempts) + 1
            self.webhooks.send([WebhookMessage(tenant_id=job.tenant_id, job_id=job.id, attempt=number)])
        return ["webhooks"] if asked else []

    def _change(self, seen: Job, how: Callable[[Job], Job | None]) -> Job | None:
        """The version that was written here, None if there was nothing to write."""
        return JobUpdater(store=self.store, sleep=self.sleep).write(seen.tenant_id, seen.id, how)
