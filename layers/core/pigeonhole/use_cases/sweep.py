"""Mend what a crash between two services left: a job that was written and not queued, a chunk whose message is gone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from pigeonhole.errors import Overloaded
from pigeonhole.jobs import Job, Span, open_spans
from pigeonhole.ports import ChunkQueue, JobStore
from pigeonhole.use_cases.change_job import ChangeJob
from pigeonhole.use_cases.submit import JobRules, queue_spans

AT_ONCE = 100  # jobs looked after in one go; the rest is due the next time


@dataclass(frozen=True)
class Swept:
    """How many jobs were due, and of how many what was left was queued again."""

    due: int
    queued: int


@dataclass(frozen=True)
class Sweep:
    """The service behind functions/sweep."""

    store: JobStore
    queue: ChunkQueue
    rules: JobRules
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def __call__(self) -> Swept:
        """Look after the jobs that are due. One that can't be looked after now stays due; the others aren't held up by it."""
        jobs = self.store.due(self.clock(), AT_ONCE)
        return Swept(len(jobs), sum(self._look_after(job) for job in jobs))

    def _look_after(self, job: Job) -> bool:
        """Queue what is left of a job that stands still; whether it did."""
        late = job.queued_at is None or self.clock() >= job.updated_at + self.rules.stuck_s
        stands_still = late and not job.has_ended
        try:
            if stands_still:
                done = self.store.done(job.tenant_id, job.id, Span(0, job.total))
                queue_spans(self.queue, job, open_spans(job, done))
            ChangeJob(self.store, self.sleep)(job.tenant_id, job.id, self._note)
        except Overloaded:
            return False
        return stands_still

    def _note(self, job: Job) -> Job:
        now = self.clock()
        if job.has_ended:
            return job.looked_after(due_at=None)
        if job.queued_at is None:
            return job.queued(now, due_at=now + self.rules.stuck_s)
        return job.looked_after(due_at=now + self.rules.stuck_s)
