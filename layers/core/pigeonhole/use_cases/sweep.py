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

from pigeonhole.errors import Overloaded
from pigeonhole.jobs import LEASE_S, Announcement, Job, Span, open_spans
from pigeonhole.messages import WebhookMessage
from pigeonhole.ports import ChunkQueue, JobStore, WebhookQueue
from pigeonhole.use_cases.change_job import ChangeJob
from pigeonhole.use_cases.submit import JobRules, queue_spans

AT_ONCE = 100  # jobs read in one go
FOR_S = 40  # goes begin for so long; what is left is due the next time


@dataclass(frozen=True)
class Swept:
    """How many jobs were due, and of how many what was left was queued again, the end was still to be told, a webhook was."""

    due: int
    queued: int = 0
    announced: int = 0
    webhooks: int = 0


@dataclass(frozen=True)
class Sweep:
    """The service behind functions/sweep."""

    store: JobStore
    queue: ChunkQueue
    webhooks: WebhookQueue
    rules: JobRules
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def __call__(self) -> Swept:
        """Look after the jobs that are due. One that can't be looked after now stays due; the others aren't held up by it."""
        until, due, done = self.clock() + FOR_S, 0, Counter[str]()
        while self.clock() < until:
            jobs = [job for job in self.store.due(self.clock(), AT_ONCE) if job.is_due(self.clock())]
            seen_to = [what for job in jobs if (what := self._look_after(job))]
            due += len(jobs)
            done.update(seen_to)
            if len(jobs) < AT_ONCE or not seen_to:
                break
        return Swept(due, done["queued"], done["announced"], done["webhooks"])

    def _look_after(self, job: Job) -> str | None:
        """See to what a job needs; what that was, as Swept has it."""
        try:
            if not job.has_ended:
                return self._queue(job)
            if job.announcement is not Announcement.MADE:
                self._change(job, lambda job: job.to_be_announced(self.clock()))
                return "announced"
            self._send_webhook(job)
            return "webhooks"
        except Overloaded:
            return None

    def _queue(self, job: Job) -> str | None:
        """Queue what is left of a job that stands still."""
        stands_still = job.queued_at is None or self.clock() >= job.updated_at + self.rules.stuck_s
        if stands_still:
            done = self.store.done(job.tenant_id, job.id, Span(0, job.total))
            queue_spans(self.queue, job, open_spans(job, done))
        self._change(job, self._note)
        return "queued" if stands_still else "looked at"

    def _note(self, job: Job) -> Job | None:
        now = self.clock()
        if job.has_ended:
            return None
        if job.queued_at is None:
            return job.queued(now, due_at=now + self.rules.stuck_s)
        return job.looked_after(due_at=now + self.rules.stuck_s)

    def _send_webhook(self, job: Job) -> None:
        hook = job.webhook
        number = len(hook.attempts) + 1 if hook else 0
        if hook is None or not job.awaits_try(number):
            self._change(job, lambda job: job.looked_after(None))
        elif hook.is_over(self.clock()):
            self._change(job, lambda job: job.with_webhook(hook.given_up(), due_at=None))
        else:
            self.webhooks.send([WebhookMessage(tenant_id=job.tenant_id, job_id=job.id, attempt=number)])
            self._change(job, lambda job: job.looked_after(self.clock() + LEASE_S))

    def _change(self, seen: Job, how: Callable[[Job], Job | None]) -> None:
        """Change a job unless it isn't due any more: somebody else has seen to it."""
        ChangeJob(self.store, self.sleep)(seen.tenant_id, seen.id, lambda job: how(job) if job.is_due(self.clock()) else None)
