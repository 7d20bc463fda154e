"""Webhooks as standard-webhooks has them: secrets, signatures, and when to try again. Pure.

A job's end is told to its `webhook_url` by a POST, which is tried until it is answered with 2xx, up to a day:

    first try ── 2xx ──> delivered
        │ 410 ─────────> gone: the receiver wants no more
        └ else ── after 30 s, 1 min, 2 min, … 4 h, 4 h ── a day is over ──> given up
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

LONGEST_PAUSE_S = 4 * 3600
GIVE_UP_S = 24 * 3600  # after the first try
SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret begins with
SECRET_BYTES = 32
OLD_SECRET_S = 24 * 3600  # how long a secret that was replaced still signs
MAX_SECRETS = 10


class DeliveryStatus(StrEnum):
    """`pending`: it hasn't been tried, or will be again; `gone`: the receiver answered 410."""

    PENDING = "pending"
    DELIVERED = "delivered"
    GONE = "gone"
    GIVEN_UP = "given_up"


@dataclass(frozen=True)
class Attempt:
    """One try. `at`: seconds since 1970, UTC; `status`: the answer's, None if there was none, and then `error` says why."""

    at: float
    status: int | None = None
    error: str | None = None


@dataclass(frozen=True)
class Webhook:
    """Whom a job's end is told, and how that went. `attempts`: all tries, the first one first."""

    url: str
    status: DeliveryStatus = DeliveryStatus.PENDING
    attempts: tuple[Attempt, ...] = ()

    def begun(self, now: float) -> Webhook:
        """One try more. Until its outcome is known it looks like one whose sender was lost."""
        return replace(self, attempts=(*self.attempts, Attempt(now, error="no outcome was noted")))

    def tried(self, status: int | None, error: str | None) -> Webhook:
        """The last try's outcome: delivered, gone, or to be tried again."""
        known = (*self.attempts[:-1], replace(self.attempts[-1], status=status, error=error))
        return replace(self, attempts=known, status=_status_after(status))

    def given_up(self) -> Webhook:
        return replace(self, status=DeliveryStatus.GIVEN_UP)

    def next_at(self, now: float, first_pause_s: float) -> float | None:
        """When to try again (seconds since 1970), later after each try; None if the day is over."""
        next_at = now + min(LONGEST_PAUSE_S, first_pause_s * 2 ** (len(self.attempts) - 1))
        return None if self.is_over(next_at) else next_at

    def is_over(self, now: float) -> bool:
        """Whether the day of the tries has passed."""
        return bool(self.attempts) and now > self.attempts[0].at + GIVE_UP_S


def _status_after(status: int | None) -> DeliveryStatus:
    if status is not None and 200 <= status < 300:
        return DeliveryStatus.DELIVERED
    return DeliveryStatus.GONE if status == 410 else DeliveryStatus.PENDING


@dataclass(frozen=True)
class Secret:
    """A tenant's signing secret: `whsec_` and base64. Times are seconds since 1970, UTC; `ends_at`: None for the newest."""

    value: str
    created_at: int
    ends_at: int | None = None

    def signs(self, now: float) -> bool:
        return self.ends_at is None or now < self.ends_at


def rotated(known: Sequence[Secret], now: float) -> tuple[Secret, ...]:
    """A new secret before those that still sign: the one that was the newest does for a day."""
    new = Secret(SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode(), int(now))
    old = [replace(it, ends_at=int(now) + OLD_SECRET_S) if it.ends_at is None else it for it in known if it.signs(now)]
    return (new, *old)[:MAX_SECRETS]


def old_valid_until(known: Sequence[Secret], now: float) -> int | None:
    """Until when a secret that was replaced still signs; None if none does."""
    return max((it.ends_at for it in known if it.ends_at is not None and it.signs(now)), default=None)


def signature_headers(body: bytes, message_id: str, with_secrets: Sequence[Secret], now: float) -> dict[str, str]:
    """The headers of a delivery: `v1,` and the base64 of HMAC-SHA-256 over id, time and body, with each of the secrets.

    Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md.
    """
    timestamp = str(int(now))
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    keys = [base64.b64decode(secret.value.removeprefix(SECRET_PREFIX)) for secret in with_secrets]
    signatures = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
