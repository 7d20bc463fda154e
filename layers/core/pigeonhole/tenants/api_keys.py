"""Create, list, replace and revoke API keys: API Gateway's API key and its record in the table together.

The steps of creating an API key are ordered so that a crash never leaves one that works without a tenant:

    API Gateway's API key (not admitted)  ->  record and tenant  ->  usage plan (admitted)

If a step fails, the steps before it are undone. Revoking runs the other way: the record ends first, so the API key is refused
within a minute (authenticate.py remembers it for so long) even if API Gateway can't be reached. Running the command again
finishes what a failure left undone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pigeonhole.contract.commands import S3Grant
from pigeonhole.errors import NotFound
from pigeonhole.tenants.ports import ApiKeyRegistry, TenantStore
from pigeonhole.tenants.tenant import ApiKeyRecord, Tenant, hash_api_key, new_api_key


@dataclass(frozen=True)
class NewApiKey:
    """An API key that was just created.

    Attributes:
        value: The API key. Its owner sees it only now.
        record: What is stored of it.
    """

    value: str
    record: ApiKeyRecord


@dataclass(frozen=True, kw_only=True)
class ApiKeyManager:
    """The service behind `pigeonhole keys`.

    Attributes:
        registry: API Gateway's API keys.
        store: Where tenants and API keys are stored.
        clock: Returns seconds since 1970.
    """

    registry: ApiKeyRegistry
    store: TenantStore
    clock: Callable[[], float] = time.time

    def create(self, tenant_id: str, name: str, grants: Sequence[S3Grant] = ()) -> NewApiKey:
        """Create an API key, and its tenant if there is none of that id.

        If a step fails, the steps before it are undone.

        Args:
            tenant_id: The tenant that the API key belongs to.
            name: What the API key is for.
            grants: S3 prefixes that are added to the tenant's grants.

        Raises:
            ValueError: `tenant_id` isn't a tenant id.
            Overloaded: Another command changed the tenant at the same time.
        """
        now = int(self.clock())
        known = self.store.get_tenant(tenant_id)
        tenant = known or Tenant(tenant_id, created_at=now)
        tenant = replace(tenant, grants=tuple(dict.fromkeys((*tenant.grants, *grants))))
        value = new_api_key()
        key_id = self.registry.create(f"pigeonhole {tenant.id} {name}", value)
        record = ApiKeyRecord(key_id, hash_api_key(value), tenant.id, name, created_at=now)
        try:
            self.store.add_api_key(record, tenant, known=known)
            self.registry.admit(key_id)
        except BaseException as error:  # also an interrupt: it must not leave an API key that is half created
            self._undo(record, error, with_tenant=known is None)
            raise
        return NewApiKey(value, record)

    def _undo(self, record: ApiKeyRecord, error: BaseException, *, with_tenant: bool) -> None:
        """Undo the steps of `create`.

        API Gateway's API key is deleted first: as long as it exists, `revoke` must be able to find its record. The record is
        deleted even if storing it failed, because the write may have succeeded although its answer was lost.
        """
        try:
            self.registry.delete(record.key_id)
            self.store.delete_api_key(record, with_tenant=with_tenant)
        except Exception:
            error.add_note(
                f"Undoing failed as well: API key {record.key_id} may exist, although its value was never printed. "
                "Revoke it by `pigeonhole keys revoke`, or delete it in API Gateway if `pigeonhole keys list` doesn't show it."
            )

    def list(self) -> Sequence[ApiKeyRecord]:
        """Return every API key, oldest first. API keys that have ended are included."""
        return self.store.list_api_keys()

    def rotate(self, key_id: str, grace_s: int = 0) -> tuple[NewApiKey, Callable[[], ApiKeyRecord]]:
        """Create a successor of an API key.

        The old API key ends in a second step, so that the caller can print the new one before anything else may fail.

        Args:
            key_id: The id of the old API key.
            grace_s: How long the old API key stays valid. 0 revokes it at once.

        Returns:
            The new API key, and a function that ends the old one.

        Raises:
            NotFound: There is no such API key.
        """
        old = self._get(key_id)
        successor = self.create(old.tenant_id, old.name)
        if grace_s:
            return successor, lambda: self._end(old, int(self.clock()) + grace_s)
        return successor, lambda: self.revoke(key_id)

    def revoke(self, key_id: str) -> ApiKeyRecord:
        """End an API key now and delete it in API Gateway. The call is safe to repeat.

        Raises:
            NotFound: There is no such API key.
        """
        record = self._end(self._get(key_id), int(self.clock()))
        self.registry.delete(key_id)
        return record

    def _end(self, record: ApiKeyRecord, ends_at: int) -> ApiKeyRecord:
        """Set the end of an API key, never later than the end that it has."""
        ends_at = ends_at if record.ends_at is None else min(record.ends_at, ends_at)
        self.store.end_api_key(record, ends_at)
        return replace(record, ends_at=ends_at)

    def _get(self, key_id: str) -> ApiKeyRecord:
        record = self.store.get_api_key(key_id)
        if record is None:
            raise NotFound(f"there is no key {key_id!r}; `pigeonhole keys list` shows those there are")
        return record
