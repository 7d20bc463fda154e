"""Stand-ins for what is outside a test: the ports, and Lambda's context."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock

from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.messages import (
    AnyCommand,
    AnyEvent,
    ChunkMessage,
    ChunkResult,
    ClassifyCommand,
    ClassifyReply,
    DescribeCommand,
    ErrorReply,
    JobEnded,
    ModelDescription,
    Span,
    StoreLabelImagesCommand,
    UploadClassified,
    WebhookMessage,
)
from pigeonhole.errors import Overloaded, TooLarge, UnfetchableUrl
from pigeonhole.jobs.job import ALLOWED_BEFORE, IdempotencyClaim, Job, NotificationStatus, Part
from pigeonhole.jobs.ports import DueJobs
from pigeonhole.label_sets.label_set import LabelSet
from pigeonhole.object_keys import label_image_key
from pigeonhole.ports import Page
from pigeonhole.tenants.tenant import ApiKeyRecord, Tenant, WebhookSecret
from pigeonhole.uploads.upload_result import UploadResult
from pigeonhole.uploads.upload_tags import MAX_TAGS

MODEL = ModelDescription(
    model_id="fake",
    revision="r1",
    engine="fake",
    text_encoder="fake-text",
    licence="Apache-2.0",
    calibrated=True,
    input_pixels=64,
    max_text_tokens=77,
)


class Fault:
    """A fake's hook that raises at its call of that number, from 0, and never again. `raised`: whether it has."""

    def __init__(self, number: int, error: BaseException) -> None:
        self.number, self.error, self.raised = number, error, False
        self._calls = itertools.count()

    def __call__(self) -> None:
        if next(self._calls) == self.number:
            self.raised = True
            raise self.error


@dataclass
class LambdaContext:
    """What Lambda hands to a handler beside the event."""

    function_name: str = "test"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:test"
    aws_request_id: str = "0f6a5d1c-2b11-4c9f-9d3a-7a554a3c6f0e"


@dataclass
class FakeClassifierClient:
    """A ports.ClassifierClient that answers each sample with the request's first label, or as `reply` says."""

    reply: ClassifyReply | Exception | None = None
    commands: list[AnyCommand] = field(default_factory=list)

    def call(self, command: AnyCommand) -> ClassifyReply:
        self.commands.append(command)
        if isinstance(self.reply, Exception):
            raise self.reply
        if self.reply:
            return self.reply
        if isinstance(command, DescribeCommand):
            return ClassifyReply(model=MODEL)
        if isinstance(command, StoreLabelImagesCommand):
            return ClassifyReply(stored=[kept_address(command, value) for value in command.values])
        return ClassifyReply(result=first_label(command))


def kept_address(command: StoreLabelImagesCommand, value: str) -> str:
    digest = hashlib.sha256(value.encode()).hexdigest()
    return f"s3://jobs/{label_image_key(command.tenant_id, command.label_set, digest)}"


def first_label(command: ClassifyCommand) -> ChunkResult:
    request = command.request
    return ChunkResult(
        predictions=[[request.labels[0].name] for _ in request.dataset], input_tokens=69, output_tokens=14, inference_ms=3942
    )


def error_reply(code: str, message: str, *details: dict[str, str]) -> ClassifyReply:
    return ClassifyReply(error=ErrorReply(code=code, message=message, details=list(details)))


@dataclass
class FakeTenantStore:
    """A ports.TenantStore in memory."""

    tenants: dict[str, Tenant] = field(default_factory=dict)
    records: dict[str, ApiKeyRecord] = field(default_factory=dict)
    newest: dict[str, str] = field(default_factory=dict)  # tenant's id -> id of the key that was added last
    lookups: int = 0

    def find_api_key(self, key_hash: str) -> tuple[ApiKeyRecord, Tenant] | None:
        self.lookups += 1
        for record in self.records.values():
            if record.key_hash == key_hash and record.tenant_id in self.tenants:
                return record, self.tenants[record.tenant_id]
        return None

    def get_tenant(self, tenant_id: str) -> Tenant | None:
        return self.tenants.get(tenant_id)

    def get_api_key(self, key_id: str) -> ApiKeyRecord | None:
        return self.records.get(key_id)

    def list_api_keys(self) -> list[ApiKeyRecord]:
        return sorted(self.records.values(), key=lambda record: (record.created_at, record.key_id))

    def add_api_key(self, api_key: ApiKeyRecord, tenant: Tenant, *, known: Tenant | None) -> None:
        if self.tenants.get(tenant.id) != known:
            raise Overloaded("The tenant was changed. Try again.")
        self.newest[tenant.id] = api_key.key_id
        self.records[api_key.key_id] = api_key
        self.tenants[tenant.id] = tenant

    def end_api_key(self, api_key: ApiKeyRecord, ends_at: int) -> None:
        self.records[api_key.key_id] = replace(self.records[api_key.key_id], ends_at=ends_at)

    def delete_api_key(self, api_key: ApiKeyRecord, *, with_tenant: bool) -> None:
        self.records.pop(api_key.key_id, None)
        if with_tenant and self.newest.get(api_key.tenant_id) == api_key.key_id:
            self.tenants.pop(api_key.tenant_id, None)


@dataclass
class FakeApiKeyRegistry:
    """A ports.ApiKeyRegistry in memory. `admitted`: the keys that the gateway lets in."""

    values: dict[str, str] = field(default_factory=dict)
    admitted: set[str] = field(default_factory=set)
    made: int = 0

    def create(self, name: str, value: str) -> str:
        self.made += 1
        key_id = f"key{self.made}"
        self.values[key_id] = value
        return key_id

    def admit(self, key_id: str) -> None:
        self.admitted.add(key_id)

    def delete(self, key_id: str) -> None:
        self.admitted.discard(key_id)
        self.values.pop(key_id, None)


@dataclass
class FakeRateCounter:
    """A ports.RateCounter in memory. `before`: runs before each count, to be slow or to fail."""

    before: Callable[[], None] = lambda: None
    counts: dict[tuple[str, str], int] = field(default_factory=dict)

    def count(self, tenant_id: str, window: str, expires_at: int) -> int:
        self.before()
        key = (tenant_id, window)
        self.counts[key] = self.counts.get(key, 0) + 1
        return self.counts[key]


@dataclass
class FakeBlobStore:
    """A ports.BlobStore over a dict by (bucket, key). `versions`: older ones, by their ids, too; `asked`: what was read, or
    tried."""

    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    versions: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def read(
        self,
        bucket: str,
        key: str,
        max_bytes: int,
        *,
        version_id: str | None = None,
        on_bytes: Callable[[int], None] | None = None,
    ) -> bytes:
        self.asked.append((bucket, key))
        data = self.versions.get((bucket, key, version_id)) if version_id else self.objects.get((bucket, key))
        if data is None:
            raise UnfetchableUrl("no such object")
        if len(data) > max_bytes:
            raise TooLarge("too large")
        if on_bytes is not None:
            on_bytes(len(data))
        return data


@dataclass
class FakeJobStore:
    """A ports.JobStore in memory. `before`: runs before each write, to fail or to let another writer be faster.

    `stream`: (tenant, job) of each end that waits to be told, as the table's stream brings them to functions/notify.
    """

    jobs: dict[tuple[str, str], Job] = field(default_factory=dict)
    of_jobs: dict[tuple[str, str], dict[int, Part]] = field(default_factory=dict)
    claims: dict[tuple[str, str], IdempotencyClaim] = field(default_factory=dict)
    before: Callable[[], None] = lambda: None
    writes: int = 0
    stream: list[tuple[str, str]] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def create(self, job: Job, claim: IdempotencyClaim | None) -> bool:
        self.before()
        with self._lock:
            known = self.claims.get((claim.tenant_id, claim.key_hash)) if claim else None
            if (job.tenant_id, job.id) in self.jobs or (known and known.expires_at > job.created_at):
                return False
            self.writes += 1
            self.jobs[job.tenant_id, job.id] = job
            if claim:
                self.claims[claim.tenant_id, claim.key_hash] = claim
            return True

    def find_claim(self, tenant_id: str, key_hash: str) -> IdempotencyClaim | None:
        return self.claims.get((tenant_id, key_hash))

    def get(self, tenant_id: str, job_id: str) -> Job | None:
        return self.jobs.get((tenant_id, job_id))

    def save(self, job: Job, part: Part | None = None) -> bool:
        self.before()
        with self._lock:
            parts = self.of_jobs.setdefault((job.tenant_id, job.id), {})
            known = self.jobs.get((job.tenant_id, job.id))
            if known is None or known.version != job.version - 1 or (part and part.span.start in parts):
                return False
            if known.status not in {job.status, *ALLOWED_BEFORE[job.status]}:
                return False
            self.writes += 1
            self.jobs[job.tenant_id, job.id] = job
            if part:
                parts[part.span.start] = part
            if job.notification is NotificationStatus.PENDING:
                self.stream.append((job.tenant_id, job.id))
            return True

    def list_part_spans(self, tenant_id: str, job_id: str, within: Span) -> list[Span]:
        return [part.span for part in self.list_parts(tenant_id, job_id) if within.start <= part.span.start < within.stop]

    def list_parts(self, tenant_id: str, job_id: str) -> list[Part]:
        return [part for _, part in sorted(self.of_jobs.get((tenant_id, job_id), {}).items())]

    def list_page(self, tenant_id: str, status: JobStatus | None, limit: int, start: str | None) -> Page[Job]:
        found = [
            job
            for job in sorted(self.jobs.values(), key=lambda job: job.id, reverse=True)
            if job.tenant_id == tenant_id and status in (None, job.status) and (start is None or job.id < start)
        ]
        return Page(found[:limit], next=found[limit - 1].id if len(found) > limit else None)

    def list_due(self, now: float, limit: int, start: object | None = None) -> DueJobs:
        # of those due at once, the one made first: by their ids, which are random, a history would not happen twice alike
        due = sorted(
            (job.due_at, place, job)
            for place, job in enumerate(self.jobs.values())
            if job.due_at is not None and job.due_at <= now
        )
        rest = [each for each in due if start is None or each[:2] > start]
        jobs = [job for _, _, job in rest[:limit]]
        return DueJobs(jobs, unreadable=[], next=rest[limit - 1][:2] if len(rest) > limit else None)


@dataclass
class FakeObjectStore:
    """A ports.ObjectStore over a dict by key. `versions`: older ones, by key and id; `before`: runs before each call, to fail;
    `unused`: the keys that are marked unused."""

    objects: dict[str, bytes] = field(default_factory=dict)
    versions: dict[tuple[str, str], bytes] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    def put(self, key: str, data: bytes, content_type: str) -> None:
        self.before()
        self.objects[key] = data

    def etag(self, key: str) -> str | None:
        self.before()
        return hashlib.sha256(self.objects[key]).hexdigest() if key in self.objects else None

    def replace(self, key: str, data: bytes, content_type: str, known: str | None) -> bool:
        self.before()
        if (hashlib.sha256(self.objects[key]).hexdigest() if key in self.objects else None) != known:
            return False
        self.objects[key] = data
        return True

    def get(self, key: str, version_id: str | None = None) -> bytes | None:
        self.before()
        return self.versions.get((key, version_id)) if version_id else self.objects.get(key)

    def link(self, key: str, seconds: int) -> str:
        return f"https://objects.example/{key}?seconds={seconds}"

    def mark_unused(self, key: str) -> None:
        self.before()
        self.unused.append(key)

    def mark_used(self, key: str) -> None:
        self.before()
        self.unused = [each for each in self.unused if each != key]


@dataclass
class FakeChunkQueue:
    """A ports.ChunkQueue that keeps what was sent. `before`: runs before each message, to fail in the midst of many."""

    sent: list[ChunkMessage] = field(default_factory=list)
    put_off: list[tuple[str, int]] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    def send(self, messages: Sequence[ChunkMessage]) -> None:
        for message in messages:
            self.before()
            self.sent.append(message)

    def retry_in(self, receipt: str, seconds: int) -> None:
        self.put_off.append((receipt, seconds))


@dataclass
class FakeWebhookQueue:
    """A ports.WebhookQueue that keeps what was sent. `before`: runs before each message, to fail."""

    sent: list[WebhookMessage] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    def send(self, messages: Sequence[WebhookMessage]) -> None:
        for message in messages:
            self.before()
            self.sent.append(message)


@dataclass
class FakeEventBus:
    """A ports.EventBus that keeps what was put. `before`: runs before each event, to fail."""

    put_on: list[AnyEvent] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    @property
    def events(self) -> list[JobEnded]:
        """The ends of jobs."""
        return [event for event in self.put_on if isinstance(event, JobEnded)]

    @property
    def uploads(self) -> list[UploadClassified]:
        return [event for event in self.put_on if isinstance(event, UploadClassified)]

    def put(self, events: Sequence[AnyEvent]) -> None:
        for event in events:
            self.before()
            self.put_on.append(event)


@dataclass
class FakeWebhookSecretStore:
    """A ports.WebhookSecretStore in memory."""

    kept: dict[str, tuple[WebhookSecret, ...]] = field(default_factory=dict)

    def get_secrets(self, tenant_id: str) -> tuple[WebhookSecret, ...]:
        return self.kept.get(tenant_id, ())

    def replace_secrets(self, tenant_id: str, secrets: Sequence[WebhookSecret], known: Sequence[WebhookSecret]) -> None:
        if self.get_secrets(tenant_id) not in (tuple(known), tuple(secrets)):
            raise Overloaded("Another secret was being made at the same time. Try again.")
        self.kept[tenant_id] = tuple(secrets)


@dataclass
class FakePoster:
    """A ports.Poster that answers with the next of `answers`, a status or an error, and with 200 once there are no more."""

    answers: list[int | Exception] = field(default_factory=list)
    posted: list[tuple[str, bytes, dict[str, str]]] = field(default_factory=list)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        self.posted.append((url, body, dict(headers)))
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class FakeLabelSetStore:
    """A ports.LabelSetStore in memory. `before`: runs before each write, to fail or to let another be faster."""

    sets: dict[tuple[str, str], LabelSet] = field(default_factory=dict)
    gone: dict[tuple[str, str], int] = field(default_factory=dict)
    before: Callable[[], None] = lambda: None

    def get(self, tenant_id: str, name: str) -> LabelSet | None:
        return self.sets.get((tenant_id, name))

    def last_version(self, tenant_id: str, name: str) -> int:
        return self.gone.get((tenant_id, name), 0)

    def save(self, label_set: LabelSet, known: int | None) -> bool:
        self.before()
        key = (label_set.tenant_id, label_set.name)
        there = self.sets.get(key)
        follows = known is not None or self.gone.get(key, 0) == label_set.version - 1
        if (there.version if there else None) != known or not follows:
            return there == label_set
        self.sets[key] = label_set
        return True

    def count(self, tenant_id: str, most: int) -> int:
        return min(most, sum(owner == tenant_id for owner, _ in self.sets))

    def delete(self, label_set: LabelSet) -> bool:
        self.before()
        key = (label_set.tenant_id, label_set.name)
        there = self.sets.get(key)
        if there is None or there.version != label_set.version:
            return False
        self.gone[key] = label_set.version
        del self.sets[key]
        return True

    def page(self, tenant_id: str, limit: int, start: str | None) -> Page[LabelSet]:
        names = sorted(name for owner, name in self.sets if owner == tenant_id and (start is None or name > start))
        found = [self.sets[tenant_id, name] for name in names[:limit]]
        return Page(found, next=names[limit - 1] if len(names) > limit else None)


@dataclass
class FakeUploadTags:
    """A ports.UploadTags over a dict by key and version; what isn't in it is gone. `before`: runs before each call."""

    tags: dict[tuple[str, str | None], dict[str, str]] = field(default_factory=dict)
    before: Callable[[], None] = lambda: None

    def add(self, key: str, version_id: str | None, tags: Mapping[str, str]) -> bool:
        self.before()
        known = self.tags.get((key, version_id))
        if known is None or len(known | dict(tags)) > MAX_TAGS:
            return False
        known.update(tags)
        return True


@dataclass
class FakeUploadResultStore:
    """A ports.UploadResultStore in memory. `before`: runs before each write, to fail."""

    results: dict[tuple[str, str], UploadResult] = field(default_factory=dict)
    before: Callable[[], None] = lambda: None
    _lock: Lock = field(default_factory=Lock)

    def save(self, result: UploadResult) -> bool:
        self.before()
        with self._lock:
            at = (result.tenant_id, result.object_key)
            if not result.may_replace(self.results.get(at)):
                return False
            self.results[at] = result
            return True

    def get(self, tenant_id: str, key: str) -> UploadResult | None:
        return self.results.get((tenant_id, key))

    def sequencers(self, tenant_id: str, keys: Sequence[str]) -> dict[str, str]:
        found = {key: self.results[tenant_id, key] for key in keys if (tenant_id, key) in self.results}
        return {key: result.sequencer for key, result in found.items() if result.job_id}

    def page(self, tenant_id: str, prefix: str, limit: int, start: str | None) -> Page[UploadResult]:
        found = sorted(self._under(tenant_id, prefix), key=lambda result: result.object_key.encode())
        rest = [result for result in found if start is None or result.object_key.encode() > start.encode()]
        return Page(rest[:limit], next=rest[limit - 1].object_key if len(rest) > limit else None)

    def newest(
        self, tenant_id: str, prefix: str, since: float, until: float, limit: int, start: str | None
    ) -> Page[UploadResult]:
        found = sorted(
            self._under(tenant_id, prefix), key=lambda result: (result.classified_at, result.object_key), reverse=True
        )
        rest = [result for result in found if since <= result.classified_at <= until]
        if start is not None:
            at, _, key = start.partition(" ")
            rest = [result for result in rest if (result.classified_at, result.object_key) < (float(at), key)]
        return Page(
            rest[:limit], next=f"{rest[limit - 1].classified_at!r} {rest[limit - 1].object_key}" if len(rest) > limit else None
        )

    def _under(self, tenant_id: str, prefix: str) -> list[UploadResult]:
        return [result for (owner, key), result in self.results.items() if owner == tenant_id and key.startswith(prefix)]


@dataclass
class FakeUploadForms:
    """A ports.UploadForms whose forms nobody takes. `asked`: what forms were asked for."""

    asked: list[tuple[str, str, int, int, int]] = field(default_factory=list)

    def form(self, key: str, content_type: str, least: int, most: int, seconds: int) -> tuple[str, dict[str, str]]:
        self.asked.append((key, content_type, least, most, seconds))
        return "https://uploads.example", {"key": key, "Content-Type": content_type}
