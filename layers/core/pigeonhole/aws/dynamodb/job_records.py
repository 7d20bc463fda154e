"""The records of jobs, of their parts and of Idempotency-Keys, and their conversions to the domain's classes.

Names and spellings of attributes are those of the first release, because items of that release are still read, and because
the filter of the table's stream names one of them (`announcement` in template.yaml).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Self

from pydantic import BaseModel

from pigeonhole.aws.dynamodb.items import StoredRecord
from pigeonhole.aws.dynamodb.table import ItemKey
from pigeonhole.contract.commands import ErrorReply
from pigeonhole.contract.jobs import DeliveryStatus, JobStatus
from pigeonhole.contract.labels import LabelSetRef
from pigeonhole.contract.spans import Span
from pigeonhole.jobs.job import BulkPlan, IdempotencyClaim, Job, NotificationStatus, Part
from pigeonhole.jobs.webhook import Attempt, Webhook
from pigeonhole.object_keys import sample_digits

# The hash keys of the index `agenda`. A hash key takes about 1,000 writes a second, and a busy index throttles the table.
AGENDA_SHARDS = 8
AGENDAS = ("JOBS", *(f"JOBS#{shard}" for shard in range(AGENDA_SHARDS)))  # the first is that of jobs of the first release
# The template filters the table's stream by the spelling of PENDING.
ANNOUNCEMENTS = {
    NotificationStatus.PENDING: "waiting",
    NotificationStatus.CLAIMED: "taken_up",
    NotificationStatus.PUBLISHED: "made",
}
NOTIFICATION_STATUSES = {spelling: status for status, spelling in ANNOUNCEMENTS.items()}


class StoredLabelSetRef(BaseModel):
    """The label set that a job was submitted with."""

    name: str
    version: int


class StoredAttempt(BaseModel):
    """One attempt to deliver a webhook."""

    at: float
    status: int | None = None
    error: str | None = None


class StoredWebhook(BaseModel):
    """A job's webhook, with all attempts to deliver it."""

    url: str
    status: str
    attempts: list[StoredAttempt]
    due_at: float | None = None

    @classmethod
    def from_webhook(cls, webhook: Webhook) -> Self:
        """Convert a webhook."""
        attempts = [StoredAttempt(at=attempt.at, status=attempt.status, error=attempt.error) for attempt in webhook.attempts]
        return cls(url=webhook.url, status=webhook.status.value, attempts=attempts, due_at=webhook.due_at)

    def to_webhook(self) -> Webhook:
        """Convert to a webhook."""
        attempts = tuple(Attempt(at=attempt.at, status=attempt.status, error=attempt.error) for attempt in self.attempts)
        return Webhook(url=self.url, status=DeliveryStatus(self.status), attempts=attempts, due_at=self.due_at)


class StoredBulkPlan(BaseModel):
    """How far the manifest of a bulk job has been planned."""

    etag: str | None = None
    segments: int
    spans: int | None = None
    attempts: int = 0
    compute: str | None = None
    gpu_runs: int = 0
    gpu_run_id: str | None = None

    @classmethod
    def from_plan(cls, plan: BulkPlan) -> Self:
        """Convert a plan."""
        return cls(**asdict(plan))

    def to_plan(self) -> BulkPlan:
        """Convert to a plan."""
        return BulkPlan(**self.model_dump())


class StoredError(BaseModel):
    """Why no sample of a job could be classified."""

    code: str
    message: str


class StoredJob(StoredRecord):
    """A job's item. Times are seconds since 1970, UTC.

    Attributes:
        sk: The job's id.
        tenant_status: The hash key of the index `by-status`.
        agenda: The hash key of the index `agenda`, one of AGENDAS. Only jobs with a `due_at` are in this index.
        announcement: The status of the notification of the job's end. The table's stream is filtered by it.
        announce_at: When the notification is due again.
        has_whole: True if the job's results are stored as one object.
        has_objects: True if the samples came in uploads.
        has_names: True if the caller named samples or questions.
    """

    pk: str
    sk: str
    tenant_status: str
    tenant_id: str
    status: str
    total: int
    chunk_size: int
    multiple_labels: bool
    created_at: float
    updated_at: float
    expires_at: int
    succeeded: int
    failed: int
    version: int
    agenda: str | None = None
    label_set: StoredLabelSetRef | None = None
    has_whole: bool | None = None
    has_objects: bool | None = None
    has_names: bool | None = None
    announcement: str | None = None
    webhook: StoredWebhook | None = None
    queued_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    due_at: float | None = None
    announce_at: float | None = None
    bulk: StoredBulkPlan | None = None
    error: StoredError | None = None

    @classmethod
    def from_job(cls, job: Job) -> Self:
        """Convert a job."""
        label_set = job.label_set
        return cls(
            **job_key(job.tenant_id, job.id),
            tenant_status=tenant_status(job.tenant_id, job.status),
            tenant_id=job.tenant_id,
            status=job.status.value,
            total=job.total,
            chunk_size=job.chunk_size,
            multiple_labels=job.multiple_labels,
            created_at=job.created_at,
            updated_at=job.updated_at,
            expires_at=job.expires_at,
            succeeded=job.succeeded,
            failed=job.failed,
            version=job.version,
            agenda=None if job.due_at is None else agenda(job.id),
            label_set=StoredLabelSetRef(name=label_set.name, version=label_set.version) if label_set else None,
            has_whole=job.has_results_object or None,
            has_objects=job.has_uploads or None,
            has_names=job.has_names or None,
            announcement=ANNOUNCEMENTS[job.notification] if job.notification else None,
            webhook=StoredWebhook.from_webhook(job.webhook) if job.webhook else None,
            queued_at=job.queued_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            due_at=job.due_at,
            announce_at=job.notify_at,
            bulk=StoredBulkPlan.from_plan(job.bulk) if job.bulk else None,
            error=StoredError(code=job.error.code, message=job.error.message) if job.error else None,
        )

    def to_job(self) -> Job:
        """Return the job.

        Raises:
            ValueError: A status is unknown.
        """
        if self.announcement is not None and self.announcement not in NOTIFICATION_STATUSES:
            raise ValueError("announcement: unknown")
        return Job(
            tenant_id=self.tenant_id,
            id=self.sk,
            status=JobStatus(self.status),
            total=self.total,
            chunk_size=self.chunk_size,
            multiple_labels=self.multiple_labels,
            created_at=self.created_at,
            updated_at=self.updated_at,
            expires_at=self.expires_at,
            succeeded=self.succeeded,
            failed=self.failed,
            version=self.version,
            label_set=LabelSetRef(name=self.label_set.name, version=self.label_set.version) if self.label_set else None,
            has_results_object=bool(self.has_whole),
            has_uploads=bool(self.has_objects),
            has_names=bool(self.has_names),
            notification=NOTIFICATION_STATUSES[self.announcement] if self.announcement else None,
            webhook=self.webhook.to_webhook() if self.webhook else None,
            queued_at=self.queued_at,
            started_at=self.started_at,
            finished_at=self.finished_at,
            due_at=self.due_at,
            notify_at=self.announce_at,
            bulk=self.bulk.to_plan() if self.bulk else None,
            error=ErrorReply(code=self.error.code, message=self.error.message) if self.error else None,
        )


class StoredPart(StoredRecord):
    """A part's item.

    Attributes:
        sk: The index of the part's first sample, six digits.
        stop: The index after the part's last sample.
        data: The packed results.
        object_key: In place of `data`: the S3 object that holds results too large for an item.
    """

    pk: str
    sk: str
    stop: int
    succeeded: int
    failed: int
    expires_at: int
    data: bytes | None = None
    object_key: str | None = None

    @classmethod
    def from_part(cls, job: Job, part: Part) -> Self:
        """Convert a part of a job."""
        return cls(
            pk=parts_partition(job.tenant_id, job.id),
            sk=sample_digits(part.span.start),
            stop=part.span.stop,
            succeeded=part.succeeded,
            failed=part.failed,
            expires_at=job.expires_at,
            data=part.data,
            object_key=part.object_key,
        )

    def to_part(self) -> Part:
        """Convert to a part."""
        return Part(
            span=Span(int(self.sk), self.stop),
            succeeded=self.succeeded,
            failed=self.failed,
            data=self.data,
            object_key=self.object_key,
        )


class StoredClaim(StoredRecord):
    """The item of a claim on an Idempotency-Key.

    Attributes:
        sk: The SHA-256 of the Idempotency-Key.
    """

    pk: str
    sk: str
    tenant_id: str
    body_hash: str
    job_id: str
    expires_at: int

    @classmethod
    def from_claim(cls, claim: IdempotencyClaim) -> Self:
        """Convert a claim."""
        return cls(
            **claim_key(claim.tenant_id, claim.key_hash),
            tenant_id=claim.tenant_id,
            body_hash=claim.body_hash,
            job_id=claim.job_id,
            expires_at=claim.expires_at,
        )

    def to_claim(self) -> IdempotencyClaim:
        """Convert to a claim."""
        return IdempotencyClaim(
            tenant_id=self.tenant_id,
            key_hash=self.sk,
            body_hash=self.body_hash,
            job_id=self.job_id,
            expires_at=self.expires_at,
        )


def jobs_partition(tenant_id: str) -> str:
    """Return the `pk` of a tenant's jobs."""
    return f"JOBS#{tenant_id}"


def job_key(tenant_id: str, job_id: str) -> ItemKey:
    """Return the key of a job's item."""
    return {"pk": jobs_partition(tenant_id), "sk": job_id}


def tenant_status(tenant_id: str, status: JobStatus) -> str:
    """Return the hash key of a tenant's jobs of one status, in the index `by-status`."""
    return f"{tenant_id}#{status}"


def agenda(job_id: str) -> str:
    """Return the hash key of a job in the index `agenda`. Jobs spread evenly, because their ids end in random digits."""
    return f"JOBS#{int(job_id[-4:], 16) % AGENDA_SHARDS}"


def parts_partition(tenant_id: str, job_id: str) -> str:
    """Return the `pk` of a job's parts."""
    return f"PARTS#{tenant_id}#{job_id}"


def attempts_key(job: Job, span: Span) -> ItemKey:
    """Return the key of the item that counts the attempts at a redelivered message."""
    return {"pk": f"ATTEMPTS#{job.tenant_id}#{job.id}", "sk": f"{sample_digits(span.start)}-{sample_digits(span.stop)}"}


def claim_key(tenant_id: str, key_hash: str) -> ItemKey:
    """Return the key of a claim's item."""
    return {"pk": f"CLAIMS#{tenant_id}", "sk": key_hash}
