"""What tenants need from the outside, as Protocols."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pigeonhole.tenants.tenant import ApiKeyRecord, Tenant, WebhookSecret


class TenantStore(Protocol):
    """Tenants and their keys' records."""

    def by_hash(self, key_hash: str) -> tuple[ApiKeyRecord, Tenant] | None:
        """The key with that SHA-256 and its tenant; None unless both are there. Raises Overloaded."""
        ...

    def tenant(self, tenant_id: str) -> Tenant | None: ...

    def key(self, key_id: str) -> ApiKeyRecord | None: ...

    def keys(self) -> list[ApiKeyRecord]:
        """Every key ever made, oldest first."""
        ...

    def add(self, key: ApiKeyRecord, tenant: Tenant, *, known: Tenant | None) -> None:
        """Keep a new key and its tenant, in place of `known` (None: a new tenant): both or neither.

        Raises Overloaded, and keeps nothing, if the tenant that is kept isn't `known` any more.
        """
        ...

    def end(self, key: ApiKeyRecord, ends_at: int) -> None:
        """Let a kept key end at `ends_at`, seconds since 1970."""
        ...

    def remove(self, key: ApiKeyRecord, *, with_tenant: bool) -> None:
        """Forget a key, and its tenant if `with_tenant` and no key was added later; what isn't there is no fault."""
        ...


class ApiKeyRegistry(Protocol):
    """The gateway's API keys, and the usage plan that lets them in."""

    def create(self, name: str, value: str) -> str:
        """Make a key that opens nothing yet, and give its id."""
        ...

    def admit(self, key_id: str) -> None:
        """Put a key in the usage plan: from now on the gateway lets it in."""
        ...

    def delete(self, key_id: str) -> None:
        """Remove a key, from the usage plan, too; one that isn't there is no fault."""
        ...


class SecretStore(Protocol):
    """Tenants' webhook secrets, the newest first. Raises Overloaded where trying again may help."""

    def secrets(self, tenant_id: str) -> tuple[WebhookSecret, ...]:
        """Those that are kept, ended ones too; none if the tenant never made one."""
        ...

    def replace_secrets(self, tenant_id: str, secrets: Sequence[WebhookSecret], known: Sequence[WebhookSecret]) -> None:
        """Keep `secrets` in place of `known`. Raises Overloaded, and keeps nothing, if others are kept than `known`."""
        ...
