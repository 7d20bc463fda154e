"""Read a tenant's jobs: one job, the results of its samples, or a page of the tenant's jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.spans import Span
from pigeonhole.errors import InternalError, NotFound, Overloaded
from pigeonhole.ids import is_id
from pigeonhole.jobs.job import Job, Part
from pigeonhole.jobs.ports import JobStore
from pigeonhole.jobs.records import decode_names, decode_part_results
from pigeonhole.jobs.results import JobResults, PartResults, ResultNames, collect
from pigeonhole.object_keys import job_names_key, job_results_key
from pigeonhole.ports import ObjectStore, Page

NO_SUCH_JOB = "There is no such job. GET /v1/classification/jobs lists yours; a job is stored until its expires_at."
FIRST_PAUSE_S, MAX_PAUSE_S = 0.1, 1.0  # between two reads of a job that a request waits for
LINK_S = 3_600
# How many more jobs `list` reads, one batch after the other, while expired jobs leave its page short.
EXTRA_BATCHES = (100,) * 9


@dataclass(frozen=True, kw_only=True)
class JobReader:
    """Reads jobs and the results of their samples, and never writes.

    Every method raises Overloaded where trying again may help.
    """

    store: JobStore
    objects: ObjectStore
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def get(self, tenant_id: str, job_id: str, wait_s: float = 0) -> Job:
        """Read a job, after waiting for its end.

        Args:
            tenant_id: The tenant whose job it is.
            job_id: The job's id, as the caller gave it.
            wait_s: The longest wait, in seconds. After that the job is returned as it is.

        Raises:
            NotFound: The tenant has no job of that id, or the job has expired.
        """
        until, pause_s = self.clock() + wait_s, FIRST_PAUSE_S
        while True:
            job = self.store.get(tenant_id, job_id) if is_id(job_id) else None
            now = self.clock()
            if job is None or job.expires_at <= now:
                raise NotFound(NO_SUCH_JOB)
            if job.has_ended or now >= until:
                return job
            self.sleep(min(pause_s, until - now))
            pause_s = min(MAX_PAUSE_S, pause_s * 1.5)

    def wait_until_ended(self, job: Job, until: float) -> Job:
        """Wait for the end of a job that has just been submitted, until a time in seconds since 1970 at the latest.

        If the table is too busy, return the job as it was. It is stored, so its caller must not be asked to send it again.
        """
        try:
            return self.get(job.tenant_id, job.id, max(0, until - self.clock()))
        except Overloaded:
            return job

    def read_part_results(self, job: Job) -> Sequence[tuple[Span, PartResults]]:
        """Read the results of each part that has been stored, in the order of the samples.

        Raises:
            InternalError: The object that holds a part's results is missing.
        """
        return [
            (part.span, decode_part_results(self._read_data(part))) for part in self.store.list_parts(job.tenant_id, job.id)
        ]

    def read_results(self, job: Job) -> JobResults:
        """Read the results of all samples of a job.

        Raises:
            InternalError: The object that holds a part's results, or that of the names, is missing.
        """
        return collect(job.total, self.read_part_results(job), self._read_names(job))

    def create_results_link(self, job: Job) -> str:
        """Create the address under which the object with a job's large results can be read for `LINK_S` seconds."""
        return self.objects.link(job_results_key(job.tenant_id, job.id), LINK_S)

    def list(self, tenant_id: str, status: JobStatus | None, limit: int, cursor: str | None) -> Page[Job]:
        """Read a page of a tenant's jobs, newest first.

        The page is full, unless it is the last or many expired jobs follow each other.

        Args:
            tenant_id: The tenant whose jobs are read.
            status: Only jobs of this status, None for all.
            limit: The most jobs of the page.
            cursor: The `next` of the page before, None for the first page.
        """
        jobs: list[Job] = []
        for count in (limit, *EXTRA_BATCHES):
            page = self.store.list_page(tenant_id, status, count, cursor)
            # DynamoDB may delete an expired item days late.
            jobs += [job for job in page.items if job.expires_at > self.clock()]
            if len(jobs) > limit:
                return Page(jobs[:limit], next=jobs[limit - 1].id)
            cursor = page.next
            if len(jobs) == limit or cursor is None:
                break
        return Page(jobs, cursor)

    def _read_names(self, job: Job) -> ResultNames:
        if not job.has_names:
            return ResultNames()
        data = self.objects.get(job_names_key(job.tenant_id, job.id))
        if data is None:
            raise InternalError() from LookupError("the names of a job's samples were deleted before the job expired")
        return decode_names(data)

    def _read_data(self, part: Part) -> bytes:
        data = part.data if part.object_key is None else self.objects.get(part.object_key)
        if data is None:
            raise InternalError() from LookupError("the object of a part's results was deleted before its job expired")
        return data
