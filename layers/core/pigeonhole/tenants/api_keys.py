"""Make, list, replace and end API keys: the gateway's key and our record of it, together.

A new key is made in an order in which stopping anywhere leaves no key that works without a tenant:

    gateway key (opens nothing)  ->  record and tenant  ->  usage plan (opens the gateway)

and what fails is taken back. Ending runs the other way: the record ends first, so that the key is
refused within a minute (authenticate.py remembers it for so long) even if the gateway can't be
reached, and running it again finishes what a failure left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pigeonhole.contract.messages import S3Grant
from pigeonhole.errors import NotFound
from pigeonhole.tenants.ports import ApiKeyRegistry, TenantStore
from pigeonhole.tenants.tenant import ApiKeyRecord, Tenant, hash_api_key, new_api_key


@dataclass(frozen=True)
class NewApiKey:
    """A key that was just made. `value` is shown to its owner now and never again."""

    value: str
    record: ApiKeyRecord


class ApiKeyManager:
    """The service behind `pigeonhole keys`."""

    def __init__(self, *, registry: ApiKeyRegistry, store: TenantStore, clock: Callable[[], float] = time.time) -> None:
        self._registry = registry
        self._store = store
        self._clock = clock

    def create(self, tenant_id: str, name: str, grants: Sequence[S3Grant] = ()) -> NewApiKey:
        """Make a key for a tenant, and the tenant if there is none of that id; `grants` are added to those it has.

        Raises ValueError for an impossible tenant id, Overloaded if another command changed the tenant meanwhile, and
        whatever failed, after undoing what had been done.
        """
        now = int(self._clock())
        known = self._store.tenant(tenant_id)
        tenant = known or Tenant(tenant_id, created_at=now)
        tenant = replace(tenant, grants=tuple(dict.fromkeys((*tenant.grants, *grants))))
        value = new_api_key()
        key_id = self._registry.create(f"pigeonhole {tenant.id} {name}", value)
        record = ApiKeyRecord(key_id, hash_api_key(value), tenant.id, name, created_at=now)
        try:
            self._store.add(record, tenant, known=known)
            self._registry.admit(key_id)
        except BaseException as error:  # an interrupt, too, must not leave half a key
            self._undo(record, error, with_tenant=known is None)
            raise
        return NewApiKey(value, record)

    def _undo(self, record: ApiKeyRecord, error: BaseException, *, with_tenant: bool) -> None:
        """Take back what `create` did. The gateway's key goes first: while it is there, `revoke` must be able to find it.

        The record is removed even if keeping it failed: a write whose answer was lost may have been done all the same.
        """
        try:
            self._registry.delete(record.key_id)
            self._store.remove(record, with_tenant=with_tenant)
        except Exception:
            error.add_note(
                f"Taking it back failed, too: key {record.key_id} may be left, whose value nobody knows. "
                "End it with `pigeonhole keys revoke`, or delete it in API Gateway if `pigeonhole keys list` doesn't show it."
            )

    def list_keys(self) -> list[ApiKeyRecord]:
        """Every key, oldest first; ended ones, too."""
        return self._store.keys()

    def rotate(self, key_id: str, grace_s: int = 0) -> tuple[NewApiKey, Callable[[], ApiKeyRecord]]:
        """Make a key like `key_id`; the function that comes back then ends the old one, in `grace_s` seconds or at once (0).

        In two steps, so that the new key can be shown before anything else may fail.

        Raises NotFound for an unknown key.
        """
        old = self._known(key_id)
        made = self.create(old.tenant_id, old.name)
        if grace_s:
            return made, lambda: self._end(old, int(self._clock()) + grace_s)
        return made, lambda: self.revoke(key_id)

    def revoke(self, key_id: str) -> ApiKeyRecord:
        """End a key now and remove it from the gateway. Safe to repeat.

        Raises NotFound for an unknown key.
        """
        ended = self._end(self._known(key_id), int(self._clock()))
        self._registry.delete(key_id)
        return ended

    def _end(self, key: ApiKeyRecord, ends_at: int) -> ApiKeyRecord:
        """Let `key` end at `ends_at`, never later than it already does."""
        ends_at = ends_at if key.ends_at is None else min(key.ends_at, ends_at)
        self._store.end(key, ends_at)
        return replace(key, ends_at=ends_at)

    def _known(self, key_id: str) -> ApiKeyRecord:
        key = self._store.key(key_id)
        if key is None:
            raise NotFound(f"there is no key {key_id!r}; `pigeonhole keys list` shows those there are")
        return key
