"""Count a tenant's requests in the period of the quota, for the `x-jigsaw-rate-limit-*` headers.

API Gateway's usage plan enforces the quota. The count only informs callers. It runs in a thread beside the request, and the
answer waits for it `wait_s` at most. If the counter is slow or broken, the headers show the last known count.
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
KEEP_S = 7 * 24 * 3600  # a count expires this long after the end of its period


@dataclass(frozen=True)
class Window:
    """One period of a quota.

    Attributes:
        starts: Its first day in UTC, as an ISO date.
        ends_at: The start of the next period, in seconds since 1970.
    """

    starts: str
    ends_at: int


@dataclass(frozen=True)
class Quota:
    """How many requests the usage plan admits per period."""

    limit: int
    period: Period

    @classmethod
    def parse(cls, limit: int, period: str) -> Quota:
        """Check the name of the period.

        Raises:
            ValueError: API Gateway has no such period.
        """
        if period not in PERIODS:
            raise ValueError(f"the period of a quota must be one of {', '.join(PERIODS)}, got {period!r}")
        return cls(limit, period)

    def window(self, now: float) -> Window:
        """Return the period around `now`, in seconds since 1970.

        As in API Gateway, a period begins at midnight UTC, and a week on Sunday.
        """
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
    """How much of its quota a tenant has left.

    Attributes:
        limit: Requests per period.
        remaining: Requests left in the period.
        reset_ms: The end of the period, in milliseconds since 1970.
        is_counted: Whether the counter answered in time.
    """

    limit: int
    remaining: int
    reset_ms: int
    is_counted: bool

    def to_headers(self) -> dict[str, str]:
        """Return the headers that inform the caller."""
        return {
            "x-jigsaw-rate-limit-limit": str(self.limit),
            "x-jigsaw-rate-limit-remaining": str(self.remaining),
            "x-jigsaw-rate-limit-reset": str(self.reset_ms),
        }


class RateMeter:
    """Counts requests while they are worked on."""

    def __init__(
        self, *, counter: RateCounter, quota: Quota, wait_s: float = 0.008, clock: Callable[[], float] = time.time
    ) -> None:
        self.quota = quota
        self._counter = counter
        self._wait_s = wait_s
        self._clock = clock
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rate")
        self._last_counts: dict[tuple[str, str], int] = {}  # by tenant id and the window's first day

    def begin(self, tenant_id: str) -> Callable[[], RateState]:
        """Start to count one request of a tenant.

        Returns:
            A function that waits up to `wait_s` for the count, and returns the tenant's state.
        """
        window = self.quota.window(self._clock())
        counting = self._threads.submit(self._counter.count, tenant_id, window.starts, window.ends_at + KEEP_S)
        counting.add_done_callback(lambda done: self._remember(done, tenant_id, window))
        return lambda: self._read(counting, tenant_id, window)

    def uncounted(self) -> RateState:
        """Return the state for a request that isn't counted, because its route is open or its API key was refused."""
        window = self.quota.window(self._clock())
        return RateState(self.quota.limit, self.quota.limit, window.ends_at * 1000, is_counted=False)

    def _read(self, counting: Future[int], tenant_id: str, window: Window) -> RateState:
        try:
            count, is_counted = counting.result(timeout=self._wait_s), True
        except Exception:  # no fault of the counter may fail the request
            count, is_counted = self._last_counts.get((tenant_id, window.starts), 0), False
        return RateState(self.quota.limit, max(0, self.quota.limit - count), window.ends_at * 1000, is_counted)

    def _remember(self, counting: Future[int], tenant_id: str, window: Window) -> None:
        """Remember a count, even a late one, and drop those of earlier windows."""
        if not counting.exception():
            counts = {ids: count for ids, count in self._last_counts.items() if ids[1] == window.starts}
            self._last_counts = counts | {(tenant_id, window.starts): counting.result()}


class RateCounter(Protocol):
    """Counts a tenant's requests."""

    def count(self, tenant_id: str, window: str, expires_at: int) -> int:
        """Add one to a tenant's count in a window, and return the sum.

        Args:
            tenant_id: The tenant.
            window: The window's first day.
            expires_at: When the count may be deleted, in seconds since 1970.
        """
        ...
