"""A tenant's webhook secret: made and replaced. What was the newest signs for another day beside the new one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from pigeonhole.contract.service import WebhookSecretResponse
from pigeonhole.jobs.webhook import old_valid_until, rotated
from pigeonhole.ports import SecretStore
from pigeonhole.tenants.tenant import Tenant
from pigeonhole.timestamps import iso


@dataclass(frozen=True)
class RotateWebhookSecret:
    """The service behind `POST /v1/account/webhook-secret`."""

    store: SecretStore
    clock: Callable[[], float] = time.time

    def __call__(self, tenant: Tenant, log_id: str) -> WebhookSecretResponse:
        """Make a secret and tell it, this once. Raises Overloaded if another was being made at the same time."""
        known, now = self.store.secrets(tenant.id), self.clock()
        kept = rotated(known, now)
        self.store.replace_secrets(tenant.id, kept, known)
        until = old_valid_until(kept, now)
        return WebhookSecretResponse(
            log_id=log_id, webhook_secret=kept[0].value, old_valid_until=None if until is None else iso(until)
        )
