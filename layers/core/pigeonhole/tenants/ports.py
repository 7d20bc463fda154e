"""What tenants need from the outside, as Protocols."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pigeonhole.tenants.tenant import ApiKeyRecord, Tenant, WebhookSecret


class TenantStore(Protocol):
    """Tenants and the records of their API keys. Every method raises Overloaded if a retry may help."""

    def find_api_key(self, key_hash: str) -> tuple[ApiKeyRecord, Tenant] | None:
        """Return the API key with that hash and its tenant. None unless both are stored."""
        ...

    def get_tenant(self, tenant_id: str) -> Tenant | None:
        """Return a tenant."""
        ...

    def get_api_key(self, key_id: str) -> ApiKeyRecord | None:
        """Return an API key by API Gateway's id."""
        ...

    def list_api_keys(self) -> list[ApiKeyRecord]:
        """Return every API key, oldest first. API keys that have ended are included."""
        ...

    def add_api_key(self, api_key: ApiKeyRecord, tenant: Tenant, *, known: Tenant | None) -> None:
        """Store a new API key and its tenant in one transaction.

        Args:
            api_key: The new API key.
            tenant: Its tenant, with the grants that it has from now on.
            known: The tenant that is stored. None if there is none.

        Raises:
            Overloaded: The stored tenant isn't `known` any more. Nothing is stored.
        """
        ...

    def end_api_key(self, api_key: ApiKeyRecord, ends_at: int) -> None:
        """Set the end of a stored API key, in seconds since 1970, UTC."""
        ...

    def delete_api_key(self, api_key: ApiKeyRecord, *, with_tenant: bool) -> None:
        """Delete an API key. An absent API key is no error.

        Args:
            api_key: The API key.
            with_tenant: Whether to delete its tenant, unless another API key was added to the tenant later.
        """
        ...


class ApiKeyRegistry(Protocol):
    """API Gateway's API keys, and the usage plan that admits them."""

    def create(self, name: str, value: str) -> str:
        """Create an API key that isn't admitted yet. Return its id."""
        ...

    def admit(self, key_id: str) -> None:
        """Add an API key to the usage plan. From now on the gateway admits it."""
        ...

    def delete(self, key_id: str) -> None:
        """Delete an API key, also from the usage plan. An absent API key is no error."""
        ...


class WebhookSecretStore(Protocol):
    """Tenants' webhook secrets. Every method raises Overloaded if a retry may help."""

    def get_secrets(self, tenant_id: str) -> tuple[WebhookSecret, ...]:
        """Return the stored secrets of a tenant, newest first. Secrets that have ended are included."""
        ...

    def replace_secrets(self, tenant_id: str, secrets: Sequence[WebhookSecret], known: Sequence[WebhookSecret]) -> None:
        """Store secrets in place of the `known` ones.

        Raises:
            Overloaded: Other secrets are stored than `known`. Nothing is stored.
        """
        ...
