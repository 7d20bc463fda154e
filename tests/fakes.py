"""Stand-ins for what is outside a test: the ports, and Lambda's context."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pigeonhole.errors import Overloaded, TooLarge, UnfetchableUrl
from pigeonhole.messages import ChunkResult, ClassifyCommand, ClassifyReply, DescribeCommand, ErrorReply, ModelDescription
from pigeonhole.tenants import ApiKeyRecord, Tenant

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
    commands: list[ClassifyCommand | DescribeCommand] = field(default_factory=list)

    def call(self, command: ClassifyCommand | DescribeCommand) -> ClassifyReply:
        self.commands.append(command)
        if isinstance(self.reply, Exception):
            raise self.reply
        if self.reply:
            return self.reply
        if isinstance(command, DescribeCommand):
            return ClassifyReply(model=MODEL)
        return ClassifyReply(result=first_label(command))


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

    def by_hash(self, key_hash: str) -> tuple[ApiKeyRecord, Tenant] | None:
        self.lookups += 1
        for record in self.records.values():
            if record.key_hash == key_hash and record.tenant_id in self.tenants:
                return record, self.tenants[record.tenant_id]
        return None

    def tenant(self, tenant_id: str) -> Tenant | None:
        return self.tenants.get(tenant_id)

    def key(self, key_id: str) -> ApiKeyRecord | None:
        return self.records.get(key_id)

    def keys(self) -> list[ApiKeyRecord]:
        return sorted(self.records.values(), key=lambda record: (record.created_at, record.key_id))

    def add(self, key: ApiKeyRecord, tenant: Tenant, *, known: Tenant | None) -> None:
        if self.tenants.get(tenant.id) != known:
            raise Overloaded("The tenant was changed. Try again.")
        self.newest[tenant.id] = key.key_id
        self.records[key.key_id] = key
        self.tenants[tenant.id] = tenant

    def end(self, key: ApiKeyRecord, ends_at: int) -> None:
        self.records[key.key_id] = replace(self.records[key.key_id], ends_at=ends_at)

    def remove(self, key: ApiKeyRecord, *, with_tenant: bool) -> None:
        self.records.pop(key.key_id, None)
        if with_tenant and self.newest.get(key.tenant_id) == key.key_id:
            self.tenants.pop(key.tenant_id, None)


@dataclass
class FakeKeyRegistry:
    """A ports.KeyRegistry in memory. `admitted`: the keys that the gateway lets in."""

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
    """A ports.BlobStore over a dict by (bucket, key). `asked`: what was read, or tried."""

    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def read(self, bucket: str, key: str, max_bytes: int, *, on_bytes: Callable[[int], None] | None = None) -> bytes:
        self.asked.append((bucket, key))
        if (bucket, key) not in self.objects:
            raise UnfetchableUrl("no such object")
        data = self.objects[bucket, key]
        if len(data) > max_bytes:
            raise TooLarge("too large")
        if on_bytes is not None:
            on_bytes(len(data))
        return data
