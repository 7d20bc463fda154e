"""Change a stored job: read it, compute its next version, write that over the version read, and retry if another writer won."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pigeonhole.errors import Overloaded
from pigeonhole.jobs.job import Job, Part
from pigeonhole.jobs.ports import JobStore

MAX_ATTEMPTS = 20
FIRST_PAUSE_S, MAX_PAUSE_S = 0.02, 1.0

JobChange = Callable[[Job], Job | tuple[Job, Part] | None]
"""Computes a job's next version, with a part if one is added. None leaves the job as it is."""


def backoff_s(attempt: int) -> float:
    """Draw the pause after a lost race: random, up to a bound that doubles ("full jitter"), so that writers spread out.

    Args:
        attempt: The attempt that was lost, counted from 0.
    """
    return random.uniform(0, min(MAX_PAUSE_S, FIRST_PAUSE_S * 2**attempt))  # noqa: S311 - no secret


@dataclass(frozen=True, kw_only=True)
class JobUpdater:
    """Applies changes to stored jobs. Every write is conditional on the version read, so a lost race changes nothing.

    Attributes:
        retry_when_busy: Whether to retry when the table is busy as well. It is for recording work that has been published
            already, because that work would be done twice otherwise.
    """

    store: JobStore
    sleep: Callable[[float], None] = field(default=time.sleep)
    retry_when_busy: bool = False

    def update(self, tenant_id: str, job_id: str, change: JobChange) -> Job | None:
        """Apply a change.

        Returns:
            The job as it is stored then, changed or not. None if there is no such job.

        Raises:
            Overloaded: Other writers won every race, or the table is busy.
        """
        return self._apply(tenant_id, job_id, change)[0]

    def write(self, tenant_id: str, job_id: str, change: JobChange) -> Job | None:
        """Apply a change, and tell whether there was one.

        Returns:
            The version that this call wrote. None if there is no such job or `change` left it as it is.

        Raises:
            Overloaded: Other writers won every race, or the table is busy.
        """
        job, was_written = self._apply(tenant_id, job_id, change)
        return job if was_written else None

    def _apply(self, tenant_id: str, job_id: str, change: JobChange) -> tuple[Job | None, bool]:
        for attempt in range(MAX_ATTEMPTS):
            try:
                job = self.store.get(tenant_id, job_id)
                changed = change(job) if job else None
                if changed is None:
                    return job, False
                after, part = changed if isinstance(changed, tuple) else (changed, None)
                if self.store.save(after, part):
                    return after, True
            except Overloaded:
                if not self.retry_when_busy:
                    raise
            self.sleep(backoff_s(attempt))
        raise Overloaded("The job is being changed by other requests. Try again.")
