"""Cancel a job. Its workers notice between two groups of samples and stop.

GPU workers that still wait for a machine don't notice, so functions/plan stops their run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from pigeonhole.contract.messages import PlanMessage
from pigeonhole.errors import JobFinished, NotFound, Overloaded
from pigeonhole.ids import is_id
from pigeonhole.jobs.job import Job
from pigeonhole.jobs.ports import JobStore, PlanQueue
from pigeonhole.jobs.read import NO_SUCH_JOB
from pigeonhole.jobs.update import JobUpdater
from pigeonhole.tenants.tenant import Tenant


@dataclass(frozen=True, kw_only=True)
class JobCanceler:
    """The service behind `DELETE /v1/classification/jobs/{id}`."""

    store: JobStore
    plan_queue: PlanQueue
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def cancel(self, tenant: Tenant, job_id: str) -> Job:
        """Cancel a job.

        Raises:
            NotFound: The tenant has no job of that id, or the job has expired.
            JobFinished: The job has ended.
            Overloaded: The table is busy. Trying again may help.
        """
        updater = JobUpdater(store=self.store, sleep=self.sleep)
        job = updater.update(tenant.id, job_id, self._cancel) if is_id(job_id) else None
        if job is None or job.expires_at <= self.clock():
            raise NotFound(NO_SUCH_JOB)
        if job.bulk and job.bulk.gpu_runs:
            with suppress(Overloaded):  # workers that have begun stop by themselves
                self.plan_queue.send([PlanMessage(tenant_id=tenant.id, job_id=job_id)])
        return job

    def _cancel(self, job: Job) -> Job | None:
        now = self.clock()
        if job.expires_at <= now:
            return None
        if job.has_ended:
            raise JobFinished(f"The job has ended already: it is {job.status}.")
        return job.canceled(now)
