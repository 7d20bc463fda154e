"""Webhooks: signed so that the field's own library verifies them, tried for a day, under secrets that overlap."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from pigeonhole.contract.jobs import DeliveryStatus
from pigeonhole.errors import RateLimited
from pigeonhole.jobs.webhook import GIVE_UP_S, MAX_PAUSE_S, Attempt, Webhook
from pigeonhole.notifications.signing import signature_headers
from pigeonhole.tenants.tenant import WebhookSecret
from pigeonhole.tenants.webhook_secrets import MAX_SECRETS, OLD_SECRET_S, old_valid_until, rotate_secrets

BODY = json.dumps({"type": "job.succeeded", "ünï": "cödé"}, ensure_ascii=False).encode()
NOW = 1_000_000.0


def verified(secret: WebhookSecret, body: bytes, headers: dict[str, str]) -> bool:
    try:
        Verifier(secret.value).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


def test_a_delivery_is_verified_by_the_standards_own_library() -> None:
    (secret,) = rotate_secrets((), time.time())
    headers = signature_headers(BODY, "job_1", [secret], time.time())

    assert verified(secret, BODY, headers)
    assert not verified(secret, BODY + b" ", headers)
    assert not verified(secret, BODY, headers | {"webhook-id": "job_2"})
    assert not verified(secret, BODY, headers | {"webhook-timestamp": str(int(time.time()) + 1)})
    assert not verified(rotate_secrets((), time.time())[0], BODY, headers)


def test_after_a_rotation_deliveries_are_signed_with_both_secrets() -> None:
    first = rotate_secrets((), time.time())
    both = rotate_secrets(first, time.time())
    headers = signature_headers(BODY, "job_1", both, time.time())

    assert all(verified(secret, BODY, headers) for secret in both)
    assert both[1].value == first[0].value != both[0].value


def test_a_replaced_secret_signs_for_a_day() -> None:
    new, old = rotate_secrets(rotate_secrets((), NOW), NOW + 100)

    assert new.is_valid(NOW + 10 * OLD_SECRET_S)
    assert old.is_valid(NOW + 100 + OLD_SECRET_S - 1)
    assert not old.is_valid(NOW + 100 + OLD_SECRET_S)
    assert old_valid_until((new, old), NOW + 100) == NOW + 100 + OLD_SECRET_S
    assert old_valid_until((new, old), NOW + 100 + OLD_SECRET_S) is None


def test_a_second_rotation_doesnt_lengthen_the_first_secrets_day() -> None:
    first = rotate_secrets((), NOW)
    third = rotate_secrets(rotate_secrets(first, NOW), NOW + 1_000)

    assert [secret.ends_at for secret in third] == [None, NOW + 1_000 + OLD_SECRET_S, NOW + OLD_SECRET_S]
    assert len(rotate_secrets(third, NOW + 2 * OLD_SECRET_S)) == 2, "ended ones are forgotten"


def test_no_more_secrets_are_made_than_a_header_should_hold() -> None:
    kept: tuple[WebhookSecret, ...] = ()
    for second in range(MAX_SECRETS):
        kept = rotate_secrets(kept, NOW + second)

    with pytest.raises(RateLimited, match="10 secrets sign already") as caught:
        rotate_secrets(kept, NOW + MAX_SECRETS + 0.5)
    wait_s = caught.value.retry_after_s
    assert wait_s == OLD_SECRET_S - 9, "a day after the first one was replaced, which was at the first second"
    assert len(rotate_secrets(kept, NOW + MAX_SECRETS + 0.5 + wait_s)) == MAX_SECRETS
    assert len(kept) == MAX_SECRETS
    assert len(rotate_secrets(kept, NOW + OLD_SECRET_S + 1)) == MAX_SECRETS, "the first one's day is over"


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
def test_what_an_answer_means(answer: int | None, status: DeliveryStatus) -> None:
    hook = begun(Webhook("https://example.com"), NOW).with_attempt_result(NOW, 30, answer, None if answer else "no connection")

    assert hook.status is status
    assert (hook.attempts[0].at, hook.attempts[0].status) == (NOW, answer)
    assert (hook.due_at is None) == (status is not DeliveryStatus.PENDING)


def begun(hook: Webhook, now: float) -> Webhook:
    return hook.with_attempt_begun(now, 60, 30)


def test_a_try_whose_outcome_nobody_notes_is_followed_by_others_ever_more_slowly() -> None:
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


def test_the_last_try_may_still_be_a_delivery() -> None:
    last = begun(replace(Webhook("https://example.com"), attempts=(Attempt(NOW, 500),)), NOW + GIVE_UP_S)
    assert last.status is DeliveryStatus.GIVEN_UP

    assert last.with_attempt_result(NOW + GIVE_UP_S + 1, 30, 204, None).status is DeliveryStatus.DELIVERED
    assert last.with_attempt_result(NOW + GIVE_UP_S + 1, 30, 500, None).status is DeliveryStatus.GIVEN_UP


def test_pauses_double_up_to_four_hours_and_the_tries_end_after_a_day() -> None:
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
def test_who_is_asked_for_a_try_and_does_none_for_a_day_is_asked_no_more(attempts: tuple[Attempt, ...]) -> None:
    hook = replace(Webhook("https://example.com"), attempts=attempts)

    assert hook.with_attempt_requested(NOW + GIVE_UP_S, NOW + GIVE_UP_S + 60, since=NOW).due_at == NOW + GIVE_UP_S + 60
    over = hook.with_attempt_requested(NOW + GIVE_UP_S + 1, NOW + GIVE_UP_S + 60, since=NOW)
    assert (over.status, over.due_at) == (DeliveryStatus.GIVEN_UP, None)
