"""Attempt the abandoned samples of a job again. A job's end is final, so they become a new job of the same tenant.

parts of the old job: its abandoned samples  ->  stored input: those samples, labels and options  ->  JobSubmitter
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from pigeonhole.contract.jobs import JobStatus
from pigeonhole.errors import NotFound
from pigeonhole.ids import is_id
from pigeonhole.jobs.job import RETRY_SPLIT, IdempotencyKey, Job
from pigeonhole.jobs.ports import ChunkQueue, JobStore
from pigeonhole.jobs.read import JobReader
from pigeonhole.jobs.records import JobInput, decode_job_input
from pigeonhole.jobs.submit import JobRules, JobSubmitter
from pigeonhole.object_keys import job_input_key
from pigeonhole.ports import ObjectStore
from pigeonhole.tenants.ports import TenantStore, WebhookSecretStore
from pigeonhole.tenants.tenant import Tenant


class CannotRedrive(ValueError):
    """The job can't be redriven. The message says why."""


@dataclass(frozen=True)
class RedrivenJob:
    """A job of abandoned samples.

    Attributes:
        job: The new job.
        samples: For each sample of the new job, its index in the old one.
    """

    job: Job
    samples: list[int]


@dataclass(frozen=True, kw_only=True)
class JobRedriver:
    """The service behind `pigeonhole jobs redrive`."""

    tenants: TenantStore
    store: JobStore
    objects: ObjectStore
    queue: ChunkQueue
    secrets: WebhookSecretStore
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def redrive(self, tenant_id: str, job_id: str) -> RedrivenJob:
        """Submit the abandoned samples of an ended job as a new job. Within 24 h, a second call returns the same new job.

        Raises:
            NotFound: There is no such tenant or job.
            CannotRedrive: The job hasn't ended, is a bulk job, has no abandoned sample, or its samples have expired.
            Overloaded: The table, the bucket or the queue is busy. Trying again may help.
        """
        tenant, old_job = self._find_tenant(tenant_id), self._find_ended(tenant_id, job_id)
        samples = self._find_abandoned(old_job)
        job_input = self._read_input(old_job)
        dataset = [job_input.request.dataset[index] for index in samples]
        uploads = [job_input.uploads[index] for index in samples] if len(job_input.uploads) == old_job.total else ()
        submitter = JobSubmitter(
            store=self.store,
            objects=self.objects,
            queue=self.queue,
            secrets=self.secrets,
            rules=_to_rules(old_job),
            clock=self.clock,
            sleep=self.sleep,
        )
        job = submitter.submit(
            job_input.request.model_copy(update={"dataset": dataset}),
            tenant=tenant,
            log_id=job_input.log_id,
            idempotency_key=IdempotencyKey("redrive", old_job.id, body=b""),
            label_set=old_job.label_set,
            uploads=uploads,
        )
        return RedrivenJob(job, samples)

    def _find_tenant(self, tenant_id: str) -> Tenant:
        tenant = self.tenants.get_tenant(tenant_id)
        if tenant is None:
            raise NotFound(f"there is no tenant {tenant_id!r}; `pigeonhole keys list` shows those there are")
        return tenant

    def _find_ended(self, tenant_id: str, job_id: str) -> Job:
        job = self.store.get(tenant_id, job_id) if is_id(job_id) else None
        if job is None or job.expires_at <= self.clock():
            raise NotFound(f"tenant {tenant_id} has no job {job_id!r}, or the job has expired")
        if not job.has_ended:
            raise CannotRedrive(f"the job is {job.status}: redrive it after it has ended")
        if job.status is JobStatus.CANCELED:
            raise CannotRedrive("the job was canceled: submit its samples as a new job")
        if job.bulk is not None:
            raise CannotRedrive("it is a bulk job: submit a manifest of the lines that its errors parts name")
        return job

    def _find_abandoned(self, job: Job) -> list[int]:
        reader = JobReader(store=self.store, objects=self.objects, clock=self.clock, sleep=self.sleep)
        parts = reader.read_part_results(job)
        samples = [index for span, part in parts if part.is_abandoned for index in range(span.start, span.stop)]
        if not samples:
            raise CannotRedrive("no sample of the job was abandoned: each has a result, or an error of its own")
        return samples

    def _read_input(self, job: Job) -> JobInput:
        data = self.objects.get(job_input_key(job.tenant_id, job.id))
        try:
            return decode_job_input(data or b"")
        except ValueError:
            raise CannotRedrive("the job's samples have expired: ask its sender to send them again") from None


def _to_rules(job: Job) -> JobRules:
    """Restore the rules under which a job was submitted, with smaller chunks."""
    chunk_size = max(1, job.chunk_size // RETRY_SPLIT)
    return JobRules(text_chunk=chunk_size, image_chunk=chunk_size, keep_s=job.expires_at - int(job.created_at))
