"""Webhooks as standard-webhooks has them: secrets, signatures, and when to try again. Pure.

A job's end is told to its `webhook_url` by a POST, which is tried until it is answered with 2xx, up to a day:

    first try ── 2xx ──> delivered
        │ 410 ─────────> gone: the receiver wants no more
        └ else ── after 30 s, 1 min, 2 min, … 4 h, 4 h ── a day is over ──> given up
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pigeonhole.contract.jobs import DeliveryStatus

LONGEST_PAUSE_S = 4 * 3600
GIVE_UP_S = 24 * 3600  # after the first try


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
