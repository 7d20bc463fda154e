"""Give what no worker could do another try. A job's end is final, so its dead samples become a new job of the same tenant.

the old job's parts: which samples are dead  ->  its kept input: those samples, labels and options as they were  ->  Submit
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.messages import JobInput
from pigeonhole.errors import NotFound
from pigeonhole.ids import is_id
from pigeonhole.jobs.job import RETRY_SPLIT, IdempotencyKey, Job
from pigeonhole.jobs.ports import ChunkQueue, JobStore
from pigeonhole.jobs.read import JobReader
from pigeonhole.jobs.submit import JobRules, JobSubmitter
from pigeonhole.object_keys import job_input_key
from pigeonhole.ports import ObjectStore
from pigeonhole.tenants.ports import SecretStore, TenantStore
from pigeonhole.tenants.tenant import Tenant


class CannotRedrive(ValueError):
    """There is nothing to redrive, or no longer what it takes; the message says which."""


@dataclass(frozen=True)
class Redriven:
    """A new job, and which sample of the old one each of its samples is, in order."""

    job: Job
    samples: list[int]


@dataclass(frozen=True, kw_only=True)
class JobRedriver:
    """The service behind `pigeonhole jobs redrive`."""

    tenants: TenantStore
    store: JobStore
    objects: ObjectStore
    queue: ChunkQueue
    secrets: SecretStore
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def redrive(self, tenant_id: str, job_id: str) -> Redriven:
        """Make a job of those samples of an ended job that no worker could do; within 24 h of the first time, give that job.

        Raises NotFound if there is no such tenant or job, CannotRedrive if the job hasn't ended, has no dead sample or has
        outlived its samples, Overloaded where trying again may help.
        """
        tenant, old = self._tenant(tenant_id), self._ended(tenant_id, job_id)
        samples = self._dead(old)
        kept = self._input(old)
        dataset = [kept.request.dataset[index] for index in samples]
        rules = _rules_of(old)
        submit = JobSubmitter(
            store=self.store,
            objects=self.objects,
            queue=self.queue,
            secrets=self.secrets,
            rules=rules,
            clock=self.clock,
            sleep=self.sleep,
        )
        idempotency_key = IdempotencyKey("redrive", old.id, body=b"")
        request = kept.request.model_copy(update={"dataset": dataset})
        uploads = [kept.objects[index] for index in samples] if len(kept.objects) == old.total else ()
        job = submit.submit(
            request,
            tenant=tenant,
            log_id=kept.log_id,
            idempotency_key=idempotency_key,
            label_set=old.label_set,
            uploads=uploads,
        )
        return Redriven(job, samples)

    def _tenant(self, tenant_id: str) -> Tenant:
        tenant = self.tenants.tenant(tenant_id)
        if tenant is None:
            raise NotFound(f"there is no tenant {tenant_id!r}; `pigeonhole keys list` shows those there are")
        return tenant

    def _ended(self, tenant_id: str, job_id: str) -> Job:
        job = self.store.get(tenant_id, job_id) if is_id(job_id) else None
        if job is None or job.expires_at <= self.clock():
            raise NotFound(f"tenant {tenant_id} has no job {job_id!r}, or no longer")
        if not job.has_ended:
            raise CannotRedrive(f"the job is {job.status}: what no worker can do is known when it has ended")
        if job.status is JobStatus.CANCELED:
            raise CannotRedrive("the job was canceled: nobody wants its samples any more")
        return job

    def _dead(self, job: Job) -> list[int]:
        parts = JobReader(store=self.store, objects=self.objects, clock=self.clock, sleep=self.sleep).read_part_results(job)
        samples = [index for span, part in parts if part.gave_up for index in range(span.start, span.stop)]
        if not samples:
            raise CannotRedrive("nothing in the job was given up: every sample has a result, or an error of its own")
        return samples

    def _input(self, job: Job) -> JobInput:
        data = self.objects.get(job_input_key(job.tenant_id, job.id))
        try:
            return JobInput.read(data or b"")
        except ValidationError:
            raise CannotRedrive("the job's samples are no longer kept: only its sender can send them again") from None


def _rules_of(job: Job) -> JobRules:
    """As the deployment's were when it took `job`, smaller chunks aside."""
    chunk = max(1, job.chunk_size // RETRY_SPLIT)
    return JobRules(text_chunk=chunk, image_chunk=chunk, keep_s=job.expires_at - int(job.created_at))
