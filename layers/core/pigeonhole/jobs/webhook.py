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
import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pigeonhole.errors import RateLimited

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
    """One try. `at`: seconds since 1970, UTC; `status`: the answer's; `error`: why there was none.

    With neither it is under way, or whoever made it was lost.
    """

    at: float
    status: int | None = None
    error: str | None = None


@dataclass(frozen=True)
class Webhook:
    """Whom a job's end is told, and how that went. `attempts`: all tries, the first one first; `due_at`: of the next one."""

    url: str
    status: DeliveryStatus = DeliveryStatus.PENDING
    attempts: tuple[Attempt, ...] = ()
    due_at: float | None = None

    def begun(self, now: float, lease_s: float, first_pause_s: float) -> Webhook:
        """One try more, and when the next is due should its outcome never be noted: after `lease_s` at least."""
        return replace(self, attempts=(*self.attempts, Attempt(now)))._again(now, lease_s, first_pause_s)

    def tried(self, now: float, first_pause_s: float, status: int | None, error: str | None) -> Webhook:
        """The last try's outcome: delivered, gone, to be tried again or given up."""
        known = replace(self, attempts=(*self.attempts[:-1], replace(self.attempts[-1], status=status, error=error)))
        if status is not None and 200 <= status < 300:
            return replace(known, status=DeliveryStatus.DELIVERED, due_at=None)
        if status == 410:
            return replace(known, status=DeliveryStatus.GONE, due_at=None)
        return known._again(now, 0, first_pause_s)

    def asked(self, now: float, due_at: float, since: float) -> Webhook:
        """Somebody is to make the next try, and is asked again at `due_at`; given up a day after the first one, or after
        `since` if there has been none."""
        since = self.attempts[0].at if self.attempts else since
        return replace(self, due_at=due_at) if now <= since + GIVE_UP_S else self._given_up()

    def _again(self, now: float, least_s: float, first_pause_s: float) -> Webhook:
        pause_s = min(LONGEST_PAUSE_S, first_pause_s * 2 ** (len(self.attempts) - 1))
        due_at = now + max(least_s, pause_s)
        if due_at > self.attempts[0].at + GIVE_UP_S:
            return self._given_up()
        return replace(self, status=DeliveryStatus.PENDING, due_at=due_at)

    def _given_up(self) -> Webhook:
        return replace(self, status=DeliveryStatus.GIVEN_UP, due_at=None)


@dataclass(frozen=True)
class Secret:
    """A tenant's signing secret: `whsec_` and base64. Times are seconds since 1970, UTC; `ends_at`: None for the newest."""

    value: str
    created_at: int
    ends_at: int | None = None

    def signs(self, now: float) -> bool:
        return self.ends_at is None or now < self.ends_at


def rotated(known: Sequence[Secret], now: float) -> tuple[Secret, ...]:
    """A new secret before those that still sign: the one that was the newest does for a day.

    Raises RateLimited if there are `MAX_SECRETS` already: each of them signs for the day that it was promised.
    """
    new = Secret(SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode(), int(now))
    old = [replace(it, ends_at=int(now) + OLD_SECRET_S) if it.ends_at is None else it for it in known if it.signs(now)]
    if len(old) >= MAX_SECRETS:
        first_end = min(it.ends_at for it in old if it.ends_at is not None)  # each has one
        raise RateLimited(
            f"{MAX_SECRETS} secrets sign already, each until a day after it was replaced. Make the next one later.",
            retry_after_s=math.ceil(first_end - now),
        )
    return (new, *old)


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
