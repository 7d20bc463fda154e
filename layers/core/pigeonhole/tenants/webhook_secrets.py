"""A tenant's webhook secret: made and replaced. What was the newest signs for another day beside the new one."""

from __future__ import annotations

import base64
import math
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pigeonhole.errors import RateLimited
from pigeonhole.tenants.ports import SecretStore
from pigeonhole.tenants.tenant import Tenant, WebhookSecret


@dataclass(frozen=True)
class NewWebhookSecret:
    """A webhook secret that was just created. Its owner sees `value` only once.

    Attributes:
        value: The secret.
        old_valid_until: Until when the secret before it still signs, in seconds since 1970; None if there was none.
    """

    value: str
    old_valid_until: int | None


@dataclass(frozen=True, kw_only=True)
class WebhookSecretRotator:
    """The service behind `POST /v1/account/webhook-secret`."""

    store: SecretStore
    clock: Callable[[], float] = time.time

    def rotate(self, tenant: Tenant) -> NewWebhookSecret:
        """Create a secret. The one before it signs for another day.

        Raises:
            Overloaded: Another secret was being created at the same time.
            RateLimited: Too many secrets sign already.
        """
        known, now = self.store.secrets(tenant.id), self.clock()
        kept = rotated(known, now)
        self.store.replace_secrets(tenant.id, kept, known)
        return NewWebhookSecret(kept[0].value, old_valid_until(kept, now))


SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret begins with


SECRET_BYTES = 32


OLD_SECRET_S = 24 * 3600  # how long a secret that was replaced still signs


MAX_SECRETS = 10


def rotated(known: Sequence[WebhookSecret], now: float) -> tuple[WebhookSecret, ...]:
    """A new secret before those that still sign: the one that was the newest does for a day.

    Raises RateLimited if there are `MAX_SECRETS` already: each of them signs for the day that it was promised.
    """
    new = WebhookSecret(SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode(), int(now))
    old = [replace(it, ends_at=int(now) + OLD_SECRET_S) if it.ends_at is None else it for it in known if it.signs(now)]
    if len(old) >= MAX_SECRETS:
        first_end = min(it.ends_at for it in old if it.ends_at is not None)  # each has one
        raise RateLimited(
            f"{MAX_SECRETS} secrets sign already, each until a day after it was replaced. Make the next one later.",
            retry_after_s=math.ceil(first_end - now),
        )
    return (new, *old)


def old_valid_until(known: Sequence[WebhookSecret], now: float) -> int | None:
    """Until when a secret that was replaced still signs; None if none does."""
    return max((it.ends_at for it in known if it.ends_at is not None and it.signs(now)), default=None)
