"""Change a stored job: read it, make the next version, write it unless another was faster, and try again if one was."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pigeonhole.errors import Overloaded
from pigeonhole.jobs.job import Job, Part
from pigeonhole.jobs.ports import JobStore

TRIES = 20
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 1.0

Change = Job | tuple[Job, Part] | None


def pause_s(attempt: int) -> float:
    """How long to wait after a try that others were faster in, the first one being 0: random, up to a bound that doubles
    ("full jitter"), so that those who met once don't meet again."""
    return random.uniform(0, min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**attempt))  # noqa: S311 - no secret


@dataclass(frozen=True, kw_only=True)
class JobUpdater:
    """Applies changes to jobs. Every try is conditional on what it read, so a lost race changes nothing.

    `insists`: tries again where the table is busy, too: for what has been told outside already, and would be told twice.
    """

    store: JobStore
    sleep: Callable[[float], None] = field(default=time.sleep)
    insists: bool = False

    def update(self, tenant_id: str, job_id: str, how: Callable[[Job], Change]) -> Job | None:
        """Give the job as it is then. `how`: the next version, with a part if there is one; None to leave it as it is.

        None if there is no such job. Raises Overloaded if others were faster each time, and what `how` raises.
        """
        return self._change(tenant_id, job_id, how)[0]

    def write(self, tenant_id: str, job_id: str, how: Callable[[Job], Change]) -> Job | None:
        """The same, but give the version that was written here, None if there was nothing to write."""
        job, was_written = self._change(tenant_id, job_id, how)
        return job if was_written else None

    def _change(self, tenant_id: str, job_id: str, how: Callable[[Job], Change]) -> tuple[Job | None, bool]:
        for attempt in range(TRIES):
            try:
                job = self.store.get(tenant_id, job_id)
                change = how(job) if job else None
                if change is None:
                    return job, False
                after, part = change if isinstance(change, tuple) else (change, None)
                if self.store.save(after, part):
                    return after, True
            except Overloaded:
                if not self.insists:
                    raise
            self.sleep(pause_s(attempt))
        raise Overloaded("The job is being changed by others. Try again.")
