"""The `x-jigsaw-rate-limit-*` figures: a count of a tenant's requests in the quota's period. The usage plan enforces, not this.

The count runs beside the request, in a thread, and the answer waits for it `wait_s` at most: a slow or broken counter
costs a request nothing and the figures fall back to the last known.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

Period = Literal["DAY", "WEEK", "MONTH"]
PERIODS: tuple[Period, ...] = ("DAY", "WEEK", "MONTH")
KEEP_S = 7 * 24 * 3600  # a counter is kept so long after its period


@dataclass(frozen=True)
class Window:
    """One period of a quota. `starts`: ISO date, UTC; `ends_at`: seconds since 1970."""

    starts: str
    ends_at: int


@dataclass(frozen=True)
class Quota:
    """Requests per period, as in the usage plan."""

    limit: int
    period: Period

    @classmethod
    def of(cls, limit: int, period: str) -> Quota:
        """Raises ValueError for a period that API Gateway doesn't have."""
        if period not in PERIODS:
            raise ValueError(f"a quota's period is one of {', '.join(PERIODS)}, not {period!r}")
        return cls(limit, period)

    def window(self, now: float) -> Window:
        """The period around `now` (seconds since 1970). API Gateway's begin at midnight UTC; a week's first day is Sunday."""
        day = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if self.period == "DAY":
            start, end = day, day + timedelta(days=1)
        elif self.period == "WEEK":
            start = day - timedelta(days=day.isoweekday() % 7)
            end = start + timedelta(days=7)
        else:
            start = day.replace(day=1)
            end = (start + timedelta(days=31)).replace(day=1)
        return Window(start.date().isoformat(), int(end.timestamp()))


@dataclass(frozen=True)
class RateState:
    """Where a tenant stands. `reset_ms`: milliseconds since 1970; `is_counted`: whether the counter answered in time."""

    limit: int
    remaining: int
    reset_ms: int
    is_counted: bool

    def headers(self) -> dict[str, str]:
        return {
            "x-jigsaw-rate-limit-limit": str(self.limit),
            "x-jigsaw-rate-limit-remaining": str(self.remaining),
            "x-jigsaw-rate-limit-reset": str(self.reset_ms),
        }


class RateMeter:
    """Counts requests beside their work."""

    def __init__(
        self, *, counter: RateCounter, quota: Quota, wait_s: float = 0.008, clock: Callable[[], float] = time.time
    ) -> None:
        self.quota = quota
        self._counter = counter
        self._wait_s = wait_s
        self._clock = clock
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rate")
        self._last: dict[tuple[str, str], int] = {}  # (tenant, window) -> the last known count

    def begin(self, tenant_id: str) -> Callable[[], RateState]:
        """Count one request of a tenant; the function that comes back waits for the figures, `wait_s` at most."""
        window = self.quota.window(self._clock())
        counting = self._threads.submit(self._counter.count, tenant_id, window.starts, window.ends_at + KEEP_S)
        counting.add_done_callback(lambda done: self._remember(done, tenant_id, window))
        return lambda: self._state(counting, tenant_id, window)

    def idle(self) -> RateState:
        """The figures of a caller who isn't counted: an open route, a refused key."""
        window = self.quota.window(self._clock())
        return RateState(self.quota.limit, self.quota.limit, window.ends_at * 1000, is_counted=False)

    def _state(self, counting: Future[int], tenant_id: str, window: Window) -> RateState:
        try:
            count, is_counted = counting.result(timeout=self._wait_s), True
        except Exception:  # whatever the counter's trouble is, it isn't the caller's
            count, is_counted = self._last.get((tenant_id, window.starts), 0), False
        return RateState(self.quota.limit, max(0, self.quota.limit - count), window.ends_at * 1000, is_counted)

    def _remember(self, done: Future[int], tenant_id: str, window: Window) -> None:
        """Keep a count, the late ones too, and drop those of windows that are over."""
        if not done.exception():
            kept = {key: count for key, count in self._last.items() if key[1] == window.starts}
            self._last = kept | {(tenant_id, window.starts): done.result()}


class RateCounter(Protocol):
    """Counts a tenant's requests."""

    def count(self, tenant_id: str, window: str, expires_at: int) -> int:
        """Add one to a tenant's count in a window and give the sum. The count may be forgotten from `expires_at` on."""
        ...
