"""Find the tenant of an API key. The gateway has let the key in; only a key with a live record here has a tenant."""

from __future__ import annotations

import time
from collections.abc import Callable

from pigeonhole.errors import InvalidApiKey
from pigeonhole.tenants.ports import TenantStore
from pigeonhole.tenants.tenant import ApiKeyRecord, Tenant, hash_api_key

REFUSAL = "The x-api-key header is missing, or what it holds is not a valid key."  # the gateway says the same


class Authenticator:
    """Looks keys up by their hash. A key that was found is remembered for `ttl_s`; one that wasn't is looked up each time."""

    def __init__(
        self, *, store: TenantStore, ttl_s: float = 60.0, remembered: int = 1_000, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._ttl_s = ttl_s
        self._remembered = remembered
        self._clock = clock
        self._found: dict[str, tuple[float, tuple[ApiKeyRecord, Tenant]]] = {}  # hash -> (until, found)

    def authenticate(self, api_key: str | None) -> Tenant:
        """Give the key's tenant.

        Raises InvalidApiKey for no key, an unknown or an ended one; Overloaded if the lookup fails.
        """
        if not api_key:
            raise InvalidApiKey(REFUSAL)
        key_hash, now = hash_api_key(api_key), self._clock()
        record, tenant = self._look_up(key_hash, now)
        if not record.is_valid(now):
            raise InvalidApiKey(REFUSAL)
        return tenant

    def _look_up(self, key_hash: str, now: float) -> tuple[ApiKeyRecord, Tenant]:
        known = self._found.get(key_hash)
        if known and now < known[0]:
            return known[1]
        self._found.pop(key_hash, None)
        found = self._store.by_hash(key_hash)
        if found is None:
            raise InvalidApiKey(REFUSAL)
        if len(self._found) >= self._remembered:
            self._found.clear()
        self._found[key_hash] = (now + self._ttl_s, found)
        return found
