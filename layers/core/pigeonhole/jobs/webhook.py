"""The webhook of a job: which attempts were made to deliver the job's end, and when the next one is due. Pure.

A delivery is a signed POST to the job's `webhook_url` (notifications/). It is attempted for a day, until the receiver answers
with 2xx:

    attempt ── 2xx ──> delivered
       │ 410 ────────> gone: the receiver wants no further attempt
       └ else ── after 30 s, 1 min, 2 min, … 4 h, 4 h ── the day is over ──> given up
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pigeonhole.contract.jobs import DeliveryStatus

MAX_PAUSE_S = 4 * 3600
GIVE_UP_S = 24 * 3600  # after the first attempt


@dataclass(frozen=True)
class Attempt:
    """One attempt to deliver. Without status and error it is under way, or its function crashed.

    Attributes:
        at: When the attempt began, in seconds since 1970, UTC.
        status: The HTTP status of the answer.
        error: Why there was no answer.
    """

    at: float
    status: int | None = None
    error: str | None = None


@dataclass(frozen=True)
class Webhook:
    """The address that is notified of a job's end, and how far the delivery is.

    Attributes:
        url: The address.
        status: How far the delivery is.
        attempts: All attempts, the first one first.
        due_at: When the next attempt is due, in seconds since 1970, UTC. None if none is.
    """

    url: str
    status: DeliveryStatus = DeliveryStatus.PENDING
    attempts: tuple[Attempt, ...] = ()
    due_at: float | None = None

    def with_attempt_begun(self, now: float, lease_s: float, first_pause_s: float) -> Webhook:
        """Record that an attempt has begun.

        Args:
            now: The time.
            lease_s: How long the attempt may take, before the next one is due.
            first_pause_s: The pause between the first attempt and the second.
        """
        return replace(self, attempts=(*self.attempts, Attempt(now)))._with_next_due(now, lease_s, first_pause_s)

    def with_attempt_result(self, now: float, first_pause_s: float, status: int | None, error: str | None) -> Webhook:
        """Record the result of the latest attempt: delivered, gone, due again or given up.

        Args:
            now: The time.
            first_pause_s: The pause between the first attempt and the second.
            status: The HTTP status of the answer, None if there was none.
            error: Why there was no answer.
        """
        latest = replace(self.attempts[-1], status=status, error=error)
        webhook = replace(self, attempts=(*self.attempts[:-1], latest))
        if status is not None and 200 <= status < 300:
            return replace(webhook, status=DeliveryStatus.DELIVERED, due_at=None)
        if status == 410:
            return replace(webhook, status=DeliveryStatus.GONE, due_at=None)
        return webhook._with_next_due(now, 0, first_pause_s)

    def with_attempt_requested(self, now: float, due_at: float, since: float) -> Webhook:
        """Record that the sweeper requested the next attempt. If its day is over, the delivery is given up instead.

        Args:
            now: The time.
            due_at: When the sweeper requests the attempt again, if it hasn't begun by then.
            since: When the day began if there was no attempt yet.
        """
        since = self.attempts[0].at if self.attempts else since
        return replace(self, due_at=due_at) if now <= since + GIVE_UP_S else self._given_up()

    def _with_next_due(self, now: float, min_s: float, first_pause_s: float) -> Webhook:
        pause_s = min(MAX_PAUSE_S, first_pause_s * 2 ** (len(self.attempts) - 1))
        due_at = now + max(min_s, pause_s)
        if due_at > self.attempts[0].at + GIVE_UP_S:
            return self._given_up()
        return replace(self, status=DeliveryStatus.PENDING, due_at=due_at)

    def _given_up(self) -> Webhook:
        return replace(self, status=DeliveryStatus.GIVEN_UP, due_at=None)
