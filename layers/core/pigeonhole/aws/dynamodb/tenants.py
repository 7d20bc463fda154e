"""Tenants and their API keys in the table.

A tenant's `newest_key` is the id of the API key that was added last. An API key has two items, which are always written in one
transaction: a request finds one by its SHA-256, and the command line finds and lists the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import BaseModel

from pigeonhole.aws.dynamodb.items import Item, StoredRecord
from pigeonhole.aws.dynamodb.table import IS_ABSENT, LOST_RACE, Condition, DynamoTable, ItemKey
from pigeonhole.contract.commands import S3Grant
from pigeonhole.errors import Overloaded
from pigeonhole.tenants.tenant import ApiKeyRecord, Tenant

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

API_KEYS = "KEYS"


class StoredGrant(BaseModel):
    """Where a tenant may read on S3."""

    bucket: str
    prefix: str


class StoredTenant(StoredRecord):
    """A tenant's item."""

    pk: str
    sk: str
    tenant_id: str
    created_at: int
    grants: list[StoredGrant]
    newest_key: str | None = None

    @classmethod
    def from_tenant(cls, tenant: Tenant, newest_key: str) -> Self:
        """Convert a tenant."""
        return cls(
            **_tenant_key(tenant.id),
            tenant_id=tenant.id,
            created_at=tenant.created_at,
            grants=[StoredGrant(bucket=grant.bucket, prefix=grant.prefix) for grant in tenant.grants],
            newest_key=newest_key,
        )

    def to_tenant(self) -> Tenant:
        """Convert to a tenant."""
        grants = tuple(S3Grant(bucket=grant.bucket, prefix=grant.prefix) for grant in self.grants)
        return Tenant(id=self.tenant_id, created_at=self.created_at, grants=grants)


class StoredApiKey(StoredRecord):
    """An API key's two items, without their `pk` and `sk`."""

    key_id: str
    key_hash: str
    tenant_id: str
    name: str
    created_at: int
    ends_at: int | None = None

    @classmethod
    def from_api_key(cls, api_key: ApiKeyRecord) -> Self:
        """Convert an API key."""
        return cls(
            key_id=api_key.key_id,
            key_hash=api_key.key_hash,
            tenant_id=api_key.tenant_id,
            name=api_key.name,
            created_at=api_key.created_at,
            ends_at=api_key.ends_at,
        )

    def to_api_key(self) -> ApiKeyRecord:
        """Convert to an API key."""
        return ApiKeyRecord(
            key_id=self.key_id,
            key_hash=self.key_hash,
            tenant_id=self.tenant_id,
            name=self.name,
            created_at=self.created_at,
            ends_at=self.ends_at,
        )


class DynamoTenantStore:
    """The TenantStore of a deployment."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        """Create the adapter for the table of that name."""
        self._table = DynamoTable(client, table)

    def find_api_key(self, key_hash: str) -> tuple[ApiKeyRecord, Tenant] | None:
        """Read an API key by its hash, and its tenant. See `TenantStore.find_api_key`."""
        # A consistent read, so that a new key works at once. Authenticator caches, so an ended key may work a minute longer.
        item = self._table.get(_key_by_hash(key_hash))
        api_key = _to_api_key(item) if item else None
        tenant = self.get_tenant(api_key.tenant_id) if api_key else None
        return (api_key, tenant) if api_key and tenant else None

    def get_tenant(self, tenant_id: str) -> Tenant | None:
        """Read a tenant."""
        item = self._table.get(_tenant_key(tenant_id))
        return StoredTenant.read(item).to_tenant() if item else None

    def get_api_key(self, key_id: str) -> ApiKeyRecord | None:
        """Read an API key by its id."""
        item = self._table.get(_key_by_id(key_id))
        return _to_api_key(item) if item else None

    def list_api_keys(self) -> list[ApiKeyRecord]:
        """Query all API keys, the oldest first."""
        items = self._table.query_all("pk = :keys", {":keys": API_KEYS})
        return sorted(map(_to_api_key, items), key=lambda api_key: (api_key.created_at, api_key.key_id))

    def add_api_key(self, api_key: ApiKeyRecord, tenant: Tenant, *, known: Tenant | None) -> None:
        """Write an API key and its tenant in one transaction. See `TenantStore.add_api_key`."""
        stored = StoredApiKey.from_api_key(api_key).to_item()
        writes = [
            self._table.to_put(StoredTenant.from_tenant(tenant, api_key.key_id).to_item(), _is_unchanged(known)),
            *(self._table.to_put({**item_key, **stored}) for item_key in _keys_of_both_items(api_key)),
        ]
        if not self._table.write_all(writes, lost=LOST_RACE):
            raise Overloaded(f"Tenant {tenant.id} was changed by another command meanwhile. Try again.")

    def end_api_key(self, api_key: ApiKeyRecord, ends_at: int) -> None:
        """Set the end of an API key in both items."""
        # Without the condition, an update would create an item that has nothing but `ends_at`.
        exists = "attribute_exists(pk)"
        item_keys = _keys_of_both_items(api_key)
        self._table.write_all([self._table.to_update(item_key, "ends_at", ends_at, exists) for item_key in item_keys])

    def delete_api_key(self, api_key: ApiKeyRecord, *, with_tenant: bool) -> None:
        """Delete both items of an API key. See `TenantStore.delete_api_key`."""
        self._table.write_all([self._table.to_delete(item_key) for item_key in _keys_of_both_items(api_key)])
        if with_tenant:
            # The condition doesn't hold if the tenant doesn't exist, or if a later key relies on it.
            is_newest = Condition("newest_key = :key_id", {":key_id": api_key.key_id})
            self._table.delete(_tenant_key(api_key.tenant_id), is_newest)


def _to_api_key(item: Item) -> ApiKeyRecord:
    return StoredApiKey.read(item).to_api_key()


def _key_by_hash(key_hash: str) -> ItemKey:
    return {"pk": f"KEY#{key_hash}", "sk": "KEY"}


def _key_by_id(key_id: str) -> ItemKey:
    return {"pk": API_KEYS, "sk": key_id}


def _keys_of_both_items(api_key: ApiKeyRecord) -> tuple[ItemKey, ItemKey]:
    return _key_by_hash(api_key.key_hash), _key_by_id(api_key.key_id)


def _tenant_key(tenant_id: str) -> ItemKey:
    return {"pk": f"TENANT#{tenant_id}", "sk": "TENANT"}


def _is_unchanged(known: Tenant | None) -> Condition:
    """Return the condition that the stored tenant is `known`; None: that no tenant is stored."""
    if known is None:
        return IS_ABSENT
    return Condition(
        "grants = :grants", {":grants": [{"bucket": grant.bucket, "prefix": grant.prefix} for grant in known.grants]}
    )
