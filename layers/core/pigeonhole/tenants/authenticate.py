"""Find the tenant of an API key.

API Gateway has admitted the API key before. Only an API key with a valid record in the table has a tenant.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from pigeonhole.errors import InvalidApiKey
from pigeonhole.tenants.ports import TenantStore
from pigeonhole.tenants.tenant import ApiKeyRecord, Tenant, hash_api_key

# API Gateway sends the same message.
REFUSAL = "The API key is missing or is not a valid key. Send it as x-api-key or as Authorization: Bearer."


class Authenticator:
    """Looks up API keys by their hash, and remembers those that it has found."""

    def __init__(
        self,
        *,
        store: TenantStore,
        ttl_s: float = 60.0,
        max_remembered: int = 1_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Create an authenticator.

        Args:
            store: Where API keys are stored.
            ttl_s: How long an API key is remembered. A revoked API key may work for so long.
            max_remembered: How many API keys are remembered at most.
            clock: Returns seconds since 1970.
        """
        self._store = store
        self._ttl_s = ttl_s
        self._max_remembered = max_remembered
        self._clock = clock
        self._remembered: dict[str, tuple[float, tuple[ApiKeyRecord, Tenant]]] = {}  # hash -> (until, record and tenant)

    def authenticate(self, api_key: str | None) -> Tenant:
        """Return the tenant of an API key.

        Raises:
            InvalidApiKey: The API key is missing, unknown or has ended.
            Overloaded: The lookup failed.
        """
        if not api_key:
            raise InvalidApiKey(REFUSAL)
        now = self._clock()
        record, tenant = self._find(hash_api_key(api_key), now)
        if not record.is_valid(now):
            raise InvalidApiKey(REFUSAL)
        return tenant

    def _find(self, key_hash: str, now: float) -> tuple[ApiKeyRecord, Tenant]:
        remembered = self._remembered.get(key_hash)
        if remembered and now < remembered[0]:
            return remembered[1]
        self._remembered.pop(key_hash, None)
        stored = self._store.find_api_key(key_hash)
        if stored is None:  # not remembered, so that a new API key works at once
            raise InvalidApiKey(REFUSAL)
        if len(self._remembered) >= self._max_remembered:
            self._remembered.clear()
        self._remembered[key_hash] = (now + self._ttl_s, stored)
        return stored
