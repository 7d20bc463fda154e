"""Fakes of the stores of tenants, API keys, counts of requests and webhook secrets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from pigeonhole.errors import Overloaded
from pigeonhole.tenants.tenant import ApiKeyRecord, Tenant, WebhookSecret


@dataclass
class FakeTenantStore:
    """A TenantStore in memory.

    Attributes:
        tenants: Tenants by their ids.
        records: API keys by their ids.
        newest: The id of the API key that was added last, by the tenant's id.
        lookups: How many API keys were looked up.
    """

    tenants: dict[str, Tenant] = field(default_factory=dict)
    records: dict[str, ApiKeyRecord] = field(default_factory=dict)
    newest: dict[str, str] = field(default_factory=dict)
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
    """An ApiKeyRegistry in memory.

    Attributes:
        values: Values of API keys by their ids.
        admitted: Ids of the API keys in the usage plan.
        created: How many API keys were created.
    """

    values: dict[str, str] = field(default_factory=dict)
    admitted: set[str] = field(default_factory=set)
    created: int = 0

    def create(self, name: str, value: str) -> str:
        self.created += 1
        key_id = f"key{self.created}"
        self.values[key_id] = value
        return key_id

    def admit(self, key_id: str) -> None:
        self.admitted.add(key_id)

    def delete(self, key_id: str) -> None:
        self.admitted.discard(key_id)
        self.values.pop(key_id, None)


@dataclass
class FakeRateCounter:
    """A RateCounter in memory.

    Attributes:
        before: Is called before each count, and may be slow or raise.
        counts: Counts by tenant and window.
    """

    before: Callable[[], None] = lambda: None
    counts: dict[tuple[str, str], int] = field(default_factory=dict)

    def count(self, tenant_id: str, window: str, expires_at: int) -> int:
        self.before()
        self.counts[tenant_id, window] = self.counts.get((tenant_id, window), 0) + 1
        return self.counts[tenant_id, window]


@dataclass
class FakeWebhookSecretStore:
    """A WebhookSecretStore in memory."""

    stored: dict[str, tuple[WebhookSecret, ...]] = field(default_factory=dict)

    def get_secrets(self, tenant_id: str) -> tuple[WebhookSecret, ...]:
        return self.stored.get(tenant_id, ())

    def replace_secrets(self, tenant_id: str, secrets: Sequence[WebhookSecret], known: Sequence[WebhookSecret]) -> None:
        if self.get_secrets(tenant_id) not in (tuple(known), tuple(secrets)):
            raise Overloaded("Another call creates a secret at the same time. Try again.")
        self.stored[tenant_id] = tuple(secrets)
