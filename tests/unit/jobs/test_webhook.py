"""The attempts of a webhook: when they are due, what ends them, and when they are given up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pigeonhole.contract.jobs import DeliveryStatus
from pigeonhole.jobs.webhook import GIVE_UP_S, MAX_PAUSE_S, Attempt, Webhook

NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (200, DeliveryStatus.DELIVERED),
        (204, DeliveryStatus.DELIVERED),
        (299, DeliveryStatus.DELIVERED),
        (410, DeliveryStatus.GONE),
        (302, DeliveryStatus.PENDING),
        (400, DeliveryStatus.PENDING),
        (404, DeliveryStatus.PENDING),
        (500, DeliveryStatus.PENDING),
        (None, DeliveryStatus.PENDING),
    ],
)
def test_the_status_of_the_answer_decides_what_follows(answer: int | None, status: DeliveryStatus) -> None:
    hook = begun(Webhook("https://example.com"), NOW).with_attempt_result(NOW, 30, answer, None if answer else "no connection")

    assert hook.status is status
    assert (hook.attempts[0].at, hook.attempts[0].status) == (NOW, answer)
    assert (hook.due_at is None) == (status is not DeliveryStatus.PENDING)


def begun(hook: Webhook, now: float) -> Webhook:
    return hook.with_attempt_begun(now, 60, 30)


def test_an_attempt_without_a_recorded_result_is_followed_by_others_after_growing_pauses() -> None:
    hook, now, pauses = Webhook("https://example.com"), NOW, []
    for _ in range(100):
        hook = begun(hook, now)
        if hook.due_at is None:
            break
        pauses.append(hook.due_at - now)
        now = hook.due_at

    assert pauses[:5] == [60, 60, 120, 240, 480]
    assert hook.status is DeliveryStatus.GIVEN_UP
    assert len(hook.attempts) < 20


def test_the_last_attempt_may_still_deliver() -> None:
    last = begun(replace(Webhook("https://example.com"), attempts=(Attempt(NOW, 500),)), NOW + GIVE_UP_S)
    assert last.status is DeliveryStatus.GIVEN_UP

    assert last.with_attempt_result(NOW + GIVE_UP_S + 1, 30, 204, None).status is DeliveryStatus.DELIVERED
    assert last.with_attempt_result(NOW + GIVE_UP_S + 1, 30, 500, None).status is DeliveryStatus.GIVEN_UP


def test_pauses_double_up_to_four_hours_and_the_attempts_end_after_a_day() -> None:
    hook, now, pauses = Webhook("https://example.com"), NOW, []
    for _ in range(100):
        hook = begun(hook, now).with_attempt_result(now, 30, 500, None)
        if hook.due_at is None:
            break
        pauses.append(hook.due_at - now)
        now = hook.due_at

    assert pauses[:6] == [30, 60, 120, 240, 480, 960]
    assert max(pauses) == MAX_PAUSE_S
    assert GIVE_UP_S - MAX_PAUSE_S < now - NOW <= GIVE_UP_S
    assert hook.status is DeliveryStatus.GIVEN_UP


@pytest.mark.parametrize("attempts", [(), (Attempt(NOW, 500),)])
def test_an_attempt_that_never_begins_is_requested_for_a_day_at_most(attempts: tuple[Attempt, ...]) -> None:
    hook = replace(Webhook("https://example.com"), attempts=attempts)

    assert hook.with_attempt_requested(NOW + GIVE_UP_S, NOW + GIVE_UP_S + 60, since=NOW).due_at == NOW + GIVE_UP_S + 60
    over = hook.with_attempt_requested(NOW + GIVE_UP_S + 1, NOW + GIVE_UP_S + 60, since=NOW)
    assert (over.status, over.due_at) == (DeliveryStatus.GIVEN_UP, None)
