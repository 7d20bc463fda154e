"""Read a tenant's jobs: one, with its results once it has ended, or a page of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from pigeonhole.contract.jobs import JobResponse, JobStatus
from pigeonhole.contract.messages import PartResults, Span
from pigeonhole.errors import InternalError, NotFound, Overloaded
from pigeonhole.ids import is_id
from pigeonhole.jobs.job import Job, Part
from pigeonhole.jobs.ports import JobStore
from pigeonhole.jobs.results import collect, unpack
from pigeonhole.jobs.update import JobUpdater
from pigeonhole.object_keys import job_results_key
from pigeonhole.ports import ObjectStore, Page

NO_SUCH_JOB = "There is no such job. GET /v1/classification/jobs lists yours; one is kept until its expires_at."
FIRST_LOOK_S, LONGEST_PAUSE_S = 0.1, 1.0
MAX_RESULT_BYTES = 4_000_000  # in an answer
MAX_ENVELOPED_BYTES = 5_900_000  # Lambda takes 6 MB, with quotes escaped and, on Python 3.11, all that isn't ASCII
LINK_S = 3_600
LOOKS = (100,) * 9  # at how many more jobs a list looks, one time after the other, while its page isn't full


@dataclass(frozen=True, kw_only=True)
class JobReader:
    """The service behind `GET /v1/classification/jobs/{id}`, and behind every request that waits for its job."""

    store: JobStore
    objects: ObjectStore
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def get(self, tenant_id: str, job_id: str, wait_s: float = 0) -> Job:
        """Give a job, if it hasn't ended after waiting for that up to `wait_s` seconds.

        Raises NotFound if the tenant has none of that id, or its time is over.
        """
        until, pause = self.clock() + wait_s, FIRST_LOOK_S
        while True:
            job = self.store.get(tenant_id, job_id) if is_id(job_id) else None
            now = self.clock()
            if job is None or job.expires_at <= now:
                raise NotFound(NO_SUCH_JOB)
            if job.has_ended or now >= until:
                return job
            self.sleep(min(pause, until - now))
            pause = min(LONGEST_PAUSE_S, pause * 1.5)

    def as_it_ends(self, job: Job, until: float) -> Job:
        """A job after waiting for its end, `until` then at the latest; as it was if the table is too busy to say, since it is
        taken and who asked for it must not send it again."""
        try:
            return self.get(job.tenant_id, job.id, max(0, until - self.clock()))
        except Overloaded:
            return job

    def parts(self, job: Job) -> list[tuple[Span, PartResults]]:
        """Read all that has become of a job's samples, in order."""
        return [(part.span, unpack(self._data_of(part))) for part in self.store.parts(job.tenant_id, job.id)]

    def shown(self, job: Job, log_id: str) -> JobResponse:
        """A job as its caller sees it; where it has results that are too large for an answer, with the address of an object.

        Who shows such a job first puts the object there: the worker that ends it, or whoever asks before that.
        """
        from pigeonhole.api.answers import to_job_response

        if job.status not in (JobStatus.SUCCEEDED, JobStatus.FAILED):
            return to_job_response(job, log_id)
        if job.has_whole:
            return self._linked(job, log_id)
        whole = to_job_response(job, log_id, results=collect(job.total, self.parts(job)))
        if _fits(_as_json(whole)):
            return whole
        kept = whole.model_copy(update={"job": whole.job.model_copy(update={"webhook": None})})  # whose log goes on
        self.objects.put(job_results_key(job.tenant_id, job.id), _as_json(kept), "application/json")
        JobUpdater(store=self.store, sleep=self.sleep).update(
            job.tenant_id, job.id, lambda now: None if now.has_whole else now.with_whole()
        )
        return self._linked(job, log_id)

    def _linked(self, job: Job, log_id: str) -> JobResponse:
        from pigeonhole.api.answers import to_job_response

        address = self.objects.link(job_results_key(job.tenant_id, job.id), LINK_S)
        return to_job_response(job, log_id, results_url=address)

    def _data_of(self, part: Part) -> bytes:
        data = part.data if part.key is None else self.objects.get(part.key)
        if data is None:
            raise InternalError() from LookupError("a part's object is gone before its job")
        return data


@dataclass(frozen=True, kw_only=True)
class JobLister:
    """The service behind `GET /v1/classification/jobs`."""

    store: JobStore
    clock: Callable[[], float] = time.time

    def list_page(self, tenant_id: str, status: JobStatus | None, limit: int, cursor: str | None) -> Page[Job]:
        """A page of a tenant's jobs, newest first: a full one, unless it is the last or too many jobs in a row are left out.

        `cursor`: the `next` of the page before.
        """
        found: list[Job] = []
        for many in (limit, *LOOKS):
            page = self.store.page(tenant_id, status, many, cursor)
            # The table may take days to forget a job whose time is over.
            found += [job for job in page.items if job.expires_at > self.clock()]
            if len(found) > limit:
                return Page(found[:limit], next=found[limit - 1].id)
            cursor = page.next
            if len(found) == limit or cursor is None:
                break
        return Page(found, cursor)


def _fits(answer: bytes) -> bool:
    """Whether an answer is one of the API's."""
    return len(answer) <= MAX_RESULT_BYTES and len(json.dumps(answer.decode())) <= MAX_ENVELOPED_BYTES


def _as_json(answer: JobResponse) -> bytes:
    return answer.model_dump_json(by_alias=True, exclude_none=True).encode()
