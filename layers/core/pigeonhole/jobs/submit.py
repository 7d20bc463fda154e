"""Submit a job: store its input, store the job, queue its chunks. A job that is stored is never lost.

    input in S3  ->  job and claim of its idempotency key  ->  messages  ->  job: queued

A crash before the job is stored leaves an object that the bucket's lifecycle deletes. After that, the sweeper continues.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pigeonhole.contract.classification import ClassificationRequest
from pigeonhole.contract.labels import LabelSetRef
from pigeonhole.contract.messages import ChunkMessage
from pigeonhole.contract.questions import AnyRequest
from pigeonhole.contract.spans import Span
from pigeonhole.contract.uploads import UploadedFile
from pigeonhole.contract.validation import invalid_request
from pigeonhole.errors import Fault, IdempotencyMismatch, NotFound, Overloaded
from pigeonhole.ids import new_id
from pigeonhole.jobs.job import IdempotencyClaim, IdempotencyKey, Job
from pigeonhole.jobs.ports import ChunkQueue, JobStore
from pigeonhole.jobs.records import JobInput, encode_job_input, encode_names
from pigeonhole.jobs.results import ResultNames
from pigeonhole.jobs.update import MAX_ATTEMPTS, JobUpdater, backoff_s
from pigeonhole.jobs.webhook import Webhook
from pigeonhole.object_keys import job_input_key, job_names_key
from pigeonhole.ports import ObjectStore
from pigeonhole.tenants.ports import WebhookSecretStore
from pigeonhole.tenants.tenant import Tenant

QUEUE_GRACE_S = 60  # a job that isn't queued after so many seconds was interrupted by a crash
NO_SECRET = Fault("webhook_url", "needs a secret to sign with: create one by POST /v1/account/webhook-secret first")


@dataclass(frozen=True)
class JobRules:
    """How jobs are cut into chunks, and how long they may take.

    Attributes:
        text_chunk: The number of texts per message.
        image_chunk: The number of images per message.
        keep_s: How many seconds after its submission a job expires.
        stuck_s: After how many seconds without progress the sweeper queues the remaining samples again.
    """

    text_chunk: int = 500
    image_chunk: int = 64
    keep_s: int = 7 * 24 * 3600
    stuck_s: int = 3_600

    def chunk_size(self, request: AnyRequest) -> int:
        """Choose the number of samples per message."""
        return self.text_chunk if request.dataset[0].type == "text" else self.image_chunk


@dataclass(frozen=True, kw_only=True)
class JobSubmitter:
    """Submits the jobs of every way in: requests, uploads and redrives."""

    store: JobStore
    objects: ObjectStore
    queue: ChunkQueue
    secrets: WebhookSecretStore
    rules: JobRules
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def submit(
        self,
        request: AnyRequest,
        *,
        tenant: Tenant,
        log_id: str,
        idempotency_key: IdempotencyKey | None = None,
        webhook_url: str | None = None,
        label_set: LabelSetRef | None = None,
        uploads: Sequence[UploadedFile] = (),
    ) -> Job:
        """Submit a job, or return the job that the idempotency key stands for.

        Args:
            request: The samples, labels and options, or questions.
            tenant: The tenant whose job it is.
            log_id: The id of the request, for the logs.
            idempotency_key: What makes a repeated request the same job.
            webhook_url: The address that is notified of the job's end.
            label_set: The label set that the labels came from.
            uploads: The files that the samples came in.

        Raises:
            IdempotencyMismatch: The idempotency key came with another body before.
            InvalidRequest: The tenant has no secret to sign what the webhook receives.
            NotFound: The job of the idempotency key has expired.
            Overloaded: The job could not be stored. Trying again may help.
        """
        now = self.clock()
        # A file's samples are named by their lines.
        names = ResultNames() if uploads else ResultNames.from_request(request)
        job = replace(
            self._new_job(request, tenant, now),
            webhook=Webhook(webhook_url) if webhook_url else None,
            label_set=label_set,
            has_uploads=bool(uploads),
            has_names=names != ResultNames(),
        )
        if job.has_names and not self.find_by_idempotency_key(tenant, idempotency_key):
            self.objects.put(job_names_key(tenant.id, job.id), encode_names(names), "application/json")
        data = encode_job_input(JobInput(log_id, request, tuple(uploads)))
        stored = self.create(job, job_input_key(tenant.id, job.id), data, tenant=tenant, idempotency_key=idempotency_key)
        return self._queue_all(job) if stored is job else stored

    def create(
        self, job: Job, input_key: str, data: bytes, *, tenant: Tenant, idempotency_key: IdempotencyKey | None = None
    ) -> Job:
        """Store a new job and its input, or return the job that the idempotency key stands for. Nothing is queued.

        Args:
            job: The job.
            input_key: The object key of its input.
            data: The JSON of its input.
            tenant: The tenant whose job it is.
            idempotency_key: What makes a repeated request the same job.

        Raises:
            PigeonholeError: What `submit` raises.
        """
        if earlier := self.find_by_idempotency_key(tenant, idempotency_key):
            return earlier
        if job.webhook and not self.secrets.get_secrets(tenant.id):
            raise invalid_request((NO_SECRET,))
        self.objects.put(input_key, data, "application/json")
        claim = idempotency_key.to_claim(job) if idempotency_key else None
        return self._create(job, claim, tenant, idempotency_key)

    def find_by_idempotency_key(self, tenant: Tenant, idempotency_key: IdempotencyKey | None) -> Job | None:
        """Find the job that an idempotency key stands for, None if there is none.

        Raises:
            IdempotencyMismatch: The key came with another body before.
            NotFound: The key's job has expired.
            Overloaded: The table is busy. Trying again may help.
        """
        if idempotency_key is None:
            return None
        claim = self.store.find_claim(tenant.id, idempotency_key.key_hash)
        if claim is None or claim.expires_at <= self.clock():
            return None
        if claim.body_hash != idempotency_key.body_hash:
            raise IdempotencyMismatch("This Idempotency-Key came with another body before. Use a new key for a new request.")
        job = self.store.get(claim.tenant_id, claim.job_id)
        if job is None:
            raise NotFound("The job of this Idempotency-Key has expired. Use a new key.")
        return job

    def _create(self, job: Job, claim: IdempotencyClaim | None, tenant: Tenant, idempotency_key: IdempotencyKey | None) -> Job:
        """Store a job, and return it. If another sender of its idempotency key was faster, return that sender's job.

        While the table writes the other sender's job, it refuses this write and shows no job yet. So the write is retried.
        """
        for attempt in range(MAX_ATTEMPTS):
            if self.store.create(job, claim):
                return job
            if winner := self.find_by_idempotency_key(tenant, idempotency_key):
                return winner
            self.sleep(backoff_s(attempt))
        raise Overloaded()

    def _new_job(self, request: AnyRequest, tenant: Tenant, now: float) -> Job:
        return Job(
            tenant_id=tenant.id,
            id=new_id(now),
            total=len(request.dataset),
            chunk_size=self.rules.chunk_size(request),
            multiple_labels=isinstance(request, ClassificationRequest) and request.multiple_labels,
            created_at=now,
            updated_at=now,
            expires_at=int(now) + self.rules.keep_s,
            due_at=now + QUEUE_GRACE_S,
        )

    def _queue_all(self, job: Job) -> Job:
        try:
            queue_spans(self.queue, job, job.chunks())
            return JobUpdater(store=self.store, sleep=self.sleep).update(job.tenant_id, job.id, self._mark_queued) or job
        except Overloaded:
            return job  # the job is stored, so the sweeper queues it

    def _mark_queued(self, job: Job) -> Job | None:
        now = self.clock()
        return None if job.has_ended else job.queued(now, due_at=now + self.rules.stuck_s)


def queue_spans(queue: ChunkQueue, job: Job, spans: Sequence[Span]) -> None:
    """Queue a message for each span of a job.

    Raises:
        Overloaded: At least one message may not have been queued.
    """
    queue.send([ChunkMessage(tenant_id=job.tenant_id, job_id=job.id, start=span.start, stop=span.stop) for span in spans])
