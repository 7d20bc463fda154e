"""A tenant's webhook secrets. A secret that was replaced still signs for a day, beside its successors."""

from __future__ import annotations

import base64
import math
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pigeonhole.errors import RateLimited
from pigeonhole.tenants.ports import WebhookSecretStore
from pigeonhole.tenants.tenant import Tenant, WebhookSecret

SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix of every secret
SECRET_BYTES = 32
OLD_SECRET_S = 24 * 3600  # how long a secret that was replaced still signs
MAX_SECRETS = 10


@dataclass(frozen=True)
class NewWebhookSecret:
    """A webhook secret that was just created.

    Attributes:
        value: The secret. Its owner sees it only now.
        old_valid_until: Until when the secret before it still signs, in seconds since 1970, UTC. None if there was none.
    """

    value: str
    old_valid_until: int | None


@dataclass(frozen=True, kw_only=True)
class WebhookSecretRotator:
    """The service behind `POST /v1/account/webhook-secret`.

    Attributes:
        store: Where secrets are stored.
        clock: Returns seconds since 1970.
    """

    store: WebhookSecretStore
    clock: Callable[[], float] = time.time

    def rotate(self, tenant: Tenant) -> NewWebhookSecret:
        """Create a secret. The one before it signs for another day.

        Raises:
            Overloaded: Another call creates a secret at the same time.
            RateLimited: Too many secrets sign already.
        """
        known, now = self.store.get_secrets(tenant.id), self.clock()
        rotated = rotate_secrets(known, now)
        self.store.replace_secrets(tenant.id, rotated, known)
        return NewWebhookSecret(rotated[0].value, old_valid_until(rotated, now))


def rotate_secrets(known: Sequence[WebhookSecret], now: float) -> tuple[WebhookSecret, ...]:
    """Put a new secret before those that still sign. The one that was the newest gets its end.

    Args:
        known: The stored secrets, newest first.
        now: Seconds since 1970, UTC.

    Raises:
        RateLimited: `MAX_SECRETS` secrets sign already. Each of them must sign until its end.
    """
    value = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    end = int(now) + OLD_SECRET_S
    old = [replace(secret, ends_at=end) if secret.ends_at is None else secret for secret in known if secret.is_valid(now)]
    if len(old) >= MAX_SECRETS:
        first_end = min(secret.ends_at for secret in old if secret.ends_at is not None)
        raise RateLimited(
            f"{MAX_SECRETS} secrets sign already, each until a day after it was replaced. Create the next one later.",
            retry_after_s=math.ceil(first_end - now),
        )
    return (WebhookSecret(value, int(now)), *old)


def old_valid_until(known: Sequence[WebhookSecret], now: float) -> int | None:
    """Return until when a replaced secret still signs, in seconds since 1970, UTC. None if none does."""
    return max((secret.ends_at for secret in known if secret.ends_at is not None and secret.is_valid(now)), default=None)
