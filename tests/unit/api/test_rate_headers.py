"""Quota periods as in API Gateway, and a counter that can't delay a request."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import pytest

from pigeonhole.api.rate_headers import Quota, RateMeter
from support.fakes import FakeRateCounter

NOON = datetime(2026, 11, 21, 12, 30, tzinfo=UTC).timestamp()  # a Saturday


def moment(*date: int) -> int:
    return int(datetime(*date, tzinfo=UTC).timestamp())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("period", "starts", "ends_at"),
    [
        ("DAY", "2026-11-21", moment(2026, 11, 22)),
        ("WEEK", "2026-11-15", moment(2026, 11, 22)),
        ("MONTH", "2026-11-01", moment(2026, 12, 1)),
    ],
)
def test_a_period_is_a_day_or_a_week_from_sunday_or_a_month_in_utc(period: str, starts: str, ends_at: int) -> None:
    window = Quota.parse(10, period).window(NOON)

    assert (window.starts, window.ends_at) == (starts, ends_at)


@pytest.mark.parametrize(
    ("period", "now", "ends_at"),
    [
        ("MONTH", moment(2026, 12, 31), moment(2027, 1, 1)),
        ("MONTH", moment(2028, 2, 1), moment(2028, 3, 1)),
        ("WEEK", moment(2026, 11, 22), moment(2026, 11, 29)),
        ("DAY", moment(2026, 12, 31), moment(2027, 1, 1)),
    ],
)
def test_a_new_period_begins_where_the_old_one_ends(period: str, now: int, ends_at: int) -> None:
    assert Quota.parse(10, period).window(now).ends_at == ends_at


def test_an_unknown_period_is_refused() -> None:
    with pytest.raises(ValueError, match="'YEAR'"):
        Quota.parse(10, "YEAR")


def meter(counter: FakeRateCounter, limit: int = 10, wait_s: float = 5.0) -> RateMeter:
    return RateMeter(counter=counter, quota=Quota.parse(limit, "MONTH"), wait_s=wait_s, clock=lambda: NOON)


def test_each_request_leaves_one_less() -> None:
    rates = meter(FakeRateCounter())

    assert [rates.begin("acme")().remaining for _ in range(3)] == [9, 8, 7]
    assert rates.begin("other")().remaining == 9


def test_never_less_than_0_requests_remain() -> None:
    rates = meter(FakeRateCounter(), limit=1)

    assert [rates.begin("acme")().remaining for _ in range(3)] == [0, 0, 0]


def test_the_headers_have_the_limit_the_rest_and_the_reset_in_milliseconds() -> None:
    assert meter(FakeRateCounter()).begin("acme")().to_headers() == {
        "x-jigsaw-rate-limit-limit": "10",
        "x-jigsaw-rate-limit-remaining": "9",
        "x-jigsaw-rate-limit-reset": str(moment(2026, 12, 1) * 1000),
    }


def test_a_caller_that_is_not_counted_has_all_of_the_limit() -> None:
    counter = FakeRateCounter()

    assert meter(counter).uncounted().remaining == 10
    assert counter.counts == {}


def test_the_figures_may_be_read_twice_and_count_once() -> None:
    figures = meter(FakeRateCounter()).begin("acme")

    assert figures() == figures()


def test_a_counter_that_fails_leaves_the_last_known_count() -> None:
    counter = FakeRateCounter()
    rates = meter(counter)
    rates.begin("acme")()

    def fail() -> None:
        raise OSError("no table")

    counter.before = fail
    after = rates.begin("acme")()

    assert (after.remaining, after.is_counted) == (9, False)
    assert rates.begin("other")().remaining == 10


def test_a_counter_that_hangs_costs_a_request_less_than_10_ms() -> None:
    released = threading.Event()
    rates = RateMeter(
        counter=FakeRateCounter(before=lambda: released.wait(20) or None), quota=Quota.parse(10, "DAY"), clock=lambda: NOON
    )
    costs = []
    for _ in range(5):
        started = time.perf_counter()
        state = rates.begin("acme")()
        costs.append(time.perf_counter() - started)
    released.set()

    assert state.remaining == 10
    assert min(costs) < 0.010


def test_a_late_count_is_the_last_known_count_of_the_next_request() -> None:
    released = threading.Event()
    counter = FakeRateCounter(before=lambda: released.wait(20) or None)
    rates = meter(counter, wait_s=0.3)
    assert not rates.begin("acme")().is_counted

    def fail() -> None:
        raise OSError("no table")

    counter.before = fail
    released.set()

    assert rates.begin("acme")().remaining == 9
