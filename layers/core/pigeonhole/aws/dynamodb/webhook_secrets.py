"""Tenants' webhook secrets in the table, the newest first.

They are apart from the tenant's item, which more functions may read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel

from pigeonhole.aws.dynamodb.items import StoredRecord
from pigeonhole.aws.dynamodb.table import IS_ABSENT, Condition, DynamoTable, ItemKey
from pigeonhole.errors import Overloaded
from pigeonhole.tenants.tenant import WebhookSecret

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class StoredSecret(BaseModel):
    """One webhook secret of a tenant."""

    value: str
    created_at: int
    ends_at: int | None = None

    @classmethod
    def from_secret(cls, secret: WebhookSecret) -> Self:
        """Convert a webhook secret."""
        return cls(value=secret.value, created_at=secret.created_at, ends_at=secret.ends_at)

    def to_secret(self) -> WebhookSecret:
        """Convert to a webhook secret."""
        return WebhookSecret(value=self.value, created_at=self.created_at, ends_at=self.ends_at)


class StoredSecrets(StoredRecord):
    """The item of a tenant's webhook secrets."""

    pk: str
    sk: str
    tenant_id: str
    secrets: list[StoredSecret]

    @classmethod
    def from_secrets(cls, tenant_id: str, secrets: Sequence[WebhookSecret]) -> Self:
        """Convert a tenant's webhook secrets."""
        stored = [StoredSecret.from_secret(secret) for secret in secrets]
        return cls(**_item_key(tenant_id), tenant_id=tenant_id, secrets=stored)

    def to_secrets(self) -> tuple[WebhookSecret, ...]:
        """Convert to webhook secrets."""
        return tuple(secret.to_secret() for secret in self.secrets)


class DynamoWebhookSecretStore:
    """The WebhookSecretStore of a deployment."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        """Create the adapter for the table of that name."""
        self._table = DynamoTable(client, table)

    def get_secrets(self, tenant_id: str) -> tuple[WebhookSecret, ...]:
        """Read a tenant's webhook secrets."""
        item = self._table.get(_item_key(tenant_id))
        return StoredSecrets.read(item).to_secrets() if item else ()

    def replace_secrets(self, tenant_id: str, secrets: Sequence[WebhookSecret], known: Sequence[WebhookSecret]) -> None:
        """Write secrets over those that were read. See `WebhookSecretStore.replace_secrets`."""
        item = StoredSecrets.from_secrets(tenant_id, secrets).to_item()
        before = StoredSecrets.from_secrets(tenant_id, known).to_item()["secrets"]
        condition = Condition("secrets = :known", {":known": before}) if known else IS_ABSENT
        if self._table.put(item, condition):
            return
        # boto3 repeats a call whose answer was lost. The condition of the second call fails if the first one has written.
        if self.get_secrets(tenant_id) != tuple(secrets):
            raise Overloaded("Another call creates a secret at the same time. Try again.")


def _item_key(tenant_id: str) -> ItemKey:
    return {"pk": f"SECRETS#{tenant_id}", "sk": "SECRETS"}
