"""Take a job: keep what it works on, write it down, queue its chunks. Once it is written down it is never lost.

    object in S3  ->  job (and its Idempotency-Key's claim)  ->  messages  ->  job: queued

What stops before the job is written leaves an object that its lifecycle removes; what stops after it is finished by the sweep.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pigeonhole.contract.classification import ClassificationRequest, LabelSetRef
from pigeonhole.contract.messages import ChunkMessage, JobInput, Span, UploadedFile
from pigeonhole.contract.validation import invalid_request
from pigeonhole.errors import Fault, IdempotencyMismatch, NotFound, Overloaded
from pigeonhole.ids import new_id
from pigeonhole.jobs.job import IdempotencyClaim, IdempotencyKey, Job
from pigeonhole.jobs.ports import ChunkQueue, JobStore
from pigeonhole.jobs.update import MAX_ATTEMPTS, JobUpdater, backoff_s
from pigeonhole.jobs.webhook import Webhook
from pigeonhole.object_keys import job_input_key
from pigeonhole.ports import ObjectStore
from pigeonhole.tenants.ports import SecretStore
from pigeonhole.tenants.tenant import Tenant

QUEUE_GRACE_S = 60  # a job that isn't queued after so long was left by a crash
NO_SECRET = Fault("webhook_url", "needs a secret to sign with: make one by POST /v1/account/webhook-secret first")


@dataclass(frozen=True)
class JobRules:
    """`text_chunk`, `image_chunk`: samples per message; `keep_s`: how long a job is kept; `stuck_s`: how long one may stand
    still before the sweep queues what is left of it again."""

    text_chunk: int = 500
    image_chunk: int = 64
    keep_s: int = 7 * 24 * 3600
    stuck_s: int = 3_600

    def chunk_size(self, request: ClassificationRequest) -> int:
        return self.text_chunk if request.dataset[0].type == "text" else self.image_chunk


class JobSubmitter:
    """The service behind every way to a job."""

    def __init__(
        self,
        *,
        store: JobStore,
        objects: ObjectStore,
        queue: ChunkQueue,
        secrets: SecretStore,
        rules: JobRules,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._change = JobUpdater(store=store, sleep=sleep)
        self._sleep = sleep
        self._objects = objects
        self._queue = queue
        self._secrets = secrets
        self._rules = rules
        self._clock = clock

    def submit(
        self,
        request: ClassificationRequest,
        *,
        tenant: Tenant,
        log_id: str,
        idempotency_key: IdempotencyKey | None = None,
        webhook_url: str | None = None,
        label_set: LabelSetRef | None = None,
        uploads: Sequence[UploadedFile] = (),
    ) -> Job:
        """Take a job, or give the one that `key` stands for. `webhook_url`: is told its end; `label_set`: its labels' own;
        `uploads`: the files that its samples came in, where they did.

        Raises IdempotencyMismatch if `key` came with another body, InvalidRequest if there is no secret to sign what the
        webhook is told, Overloaded if the job could not be written down.
        """
        now = self._clock()
        job = replace(
            self._new_job(request, tenant, now),
            webhook=Webhook(webhook_url) if webhook_url else None,
            label_set=label_set,
            has_uploads=bool(uploads),
        )
        claim = idempotency_key.to_claim(job) if idempotency_key else None
        if earlier := self.find_by_idempotency_key(tenant, idempotency_key):
            return earlier
        if webhook_url and not self._secrets.secrets(tenant.id):
            raise invalid_request((NO_SECRET,))
        kept = JobInput(log_id=log_id, request=request, objects=tuple(uploads))
        data = kept.model_dump_json(exclude_none=True).encode()
        self._objects.put(job_input_key(tenant.id, job.id), data, "application/json")
        taken = self._create(job, claim, tenant, idempotency_key)
        return self._queue_all(job) if taken is job else taken

    def _create(self, job: Job, claim: IdempotencyClaim | None, tenant: Tenant, idempotency_key: IdempotencyKey | None) -> Job:
        """Write a job down; give it, or the one that another sender of its key was faster with.

        A table that is writing the other's just now says no to both, and has neither yet.
        """
        for attempt in range(MAX_ATTEMPTS):
            if self._store.create(job, claim):
                return job
            if winner := self.find_by_idempotency_key(tenant, idempotency_key):
                return winner
            self._sleep(backoff_s(attempt))
        raise Overloaded()

    def _new_job(self, request: ClassificationRequest, tenant: Tenant, now: float) -> Job:
        return Job(
            tenant_id=tenant.id,
            id=new_id(now),
            total=len(request.dataset),
            chunk_size=self._rules.chunk_size(request),
            multiple_labels=request.multiple_labels,
            created_at=now,
            updated_at=now,
            expires_at=int(now) + self._rules.keep_s,
            due_at=now + QUEUE_GRACE_S,
        )

    def find_by_idempotency_key(self, tenant: Tenant, idempotency_key: IdempotencyKey | None) -> Job | None:
        """The job that a key stands for already.

        Raises IdempotencyMismatch if the key came with another body, NotFound if its job is no longer kept.
        """
        known = self._store.find_claim(tenant.id, idempotency_key.key_hash) if idempotency_key else None
        if idempotency_key is None or known is None or known.expires_at <= self._clock():
            return None
        if known.body_hash != idempotency_key.body_hash:
            raise IdempotencyMismatch("This Idempotency-Key came with another body before. Use a new key for a new request.")
        job = self._store.get(known.tenant_id, known.job_id)
        if job is None:
            raise NotFound("The job of this Idempotency-Key is no longer kept. Use a new key.")
        return job

    def _queue_all(self, job: Job) -> Job:
        try:
            queue_spans(self._queue, job, job.chunks())
            return self._change.update(job.tenant_id, job.id, self._mark) or job
        except Overloaded:
            return job  # it is written down: the sweep queues it

    def _mark(self, job: Job) -> Job | None:
        now = self._clock()
        return None if job.has_ended else job.queued(now, due_at=now + self._rules.stuck_s)


def queue_spans(queue: ChunkQueue, job: Job, spans: list[Span]) -> None:
    """Send a message for each span. Raises Overloaded if one may not have been taken."""
    queue.send([ChunkMessage(tenant_id=job.tenant_id, job_id=job.id, start=each.start, stop=each.stop) for each in spans])
