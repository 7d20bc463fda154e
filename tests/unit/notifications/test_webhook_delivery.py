"""Delivering to a webhook: attempts are signed, made once, recorded, and repeated for a day until 2xx or 410."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from pigeonhole.contract.jobs import DeliveryStatus
from pigeonhole.contract.messages import WebhookMessage
from pigeonhole.errors import ForbiddenUrl, InvalidRequest, Overloaded, UnfetchableUrl
from pigeonhole.jobs.job import LEASE_S, MAX_BACKOFF_S, Job
from pigeonhole.jobs.sweep import SweepSummary
from pigeonhole.jobs.webhook import GIVE_UP_S, Webhook
from pigeonhole.notifications.signing import signature_headers
from support.job_fixtures import HOOK, SECRET, Jobs


def with_ended_job(*answers: int | Exception) -> tuple[Jobs, Job]:
    """End a job and request the first attempt of its webhook."""
    jobs = Jobs()
    jobs.poster.answers = list(answers)
    job = jobs.submitted(4, webhook_url=HOOK)
    jobs.work()
    jobs.notify()
    return jobs, job


def deliver(jobs: Jobs) -> None:
    while jobs.webhooks.sent:
        jobs.deliverer.deliver(jobs.webhooks.sent.pop(0))


def hook(jobs: Jobs, job: Job) -> Webhook:
    webhook = jobs.job(job).webhook
    assert webhook
    return webhook


def pass_time_until_nothing_is_due(jobs: Jobs) -> None:
    for _ in range(10_000):
        deliver(jobs)
        if all(job.due_at is None for job in jobs.store.jobs.values()):
            return
        jobs.now += 60
        jobs.sweeper.sweep()
    raise AssertionError("the attempts never end")


def test_the_end_is_posted_with_a_signature_and_the_attempt_is_recorded() -> None:
    jobs, job = with_ended_job(204)

    deliver(jobs)

    ((url, body, headers),) = jobs.poster.posted
    assert url == HOOK
    data = json.loads(body)
    assert (data["type"], data["timestamp"]) == ("job.succeeded", "1970-01-01T00:16:40Z")
    assert data["data"]["id"] == job.id
    assert data["data"]["progress"] == {"total": 4, "succeeded": 4, "failed": 0}
    assert "webhook" not in data["data"]
    assert headers == {
        "content-type": "application/json",
        **signature_headers(body, f"job_{job.id}", jobs.secrets.get_secrets("acme"), jobs.now),
    }
    shown = jobs.responder.respond(jobs.job(job), "l").job.webhook
    assert shown is not None
    assert shown.model_dump(exclude_none=True) == {
        "url": HOOK,
        "status": "delivered",
        "attempts": [{"at": "1970-01-01T00:16:40Z", "status": 204}],
    }
    assert jobs.job(job).due_at is None


def test_a_receiver_that_was_down_for_five_attempts_is_notified_by_the_sixth() -> None:
    jobs, job = with_ended_job(500, UnfetchableUrl("no connection"), 503, 404, ForbiddenUrl("not public"), 200)

    pass_time_until_nothing_is_due(jobs)

    assert hook(jobs, job).status is DeliveryStatus.DELIVERED
    assert [attempt.status for attempt in hook(jobs, job).attempts] == [500, None, 503, 404, None, 200]
    assert [attempt.error for attempt in hook(jobs, job).attempts] == [None, "no connection", None, None, "not public", None]
    assert len({headers["webhook-id"] for _, _, headers in jobs.poster.posted}) == 1, (
        "the receiver recognises the repeated notification"
    )
    assert len(jobs.bus.events) == 1


def test_a_job_says_when_the_next_attempt_of_its_webhook_is_due() -> None:
    jobs, job = with_ended_job(500)

    deliver(jobs)

    shown = jobs.responder.respond(jobs.job(job), "l").job.webhook
    assert shown is not None
    assert (shown.status, shown.next_at) == ("pending", "1970-01-01T00:17:10Z")


def test_gone_ends_the_attempts() -> None:
    jobs, job = with_ended_job(500, 410)

    pass_time_until_nothing_is_due(jobs)

    assert hook(jobs, job).status is DeliveryStatus.GONE
    assert len(jobs.poster.posted) == 2


def test_a_receiver_that_is_down_for_a_day_is_given_up() -> None:
    jobs, job = with_ended_job(*[500] * 100)
    started = jobs.now

    pass_time_until_nothing_is_due(jobs)

    assert hook(jobs, job).status is DeliveryStatus.GIVEN_UP
    assert 10 < len(jobs.poster.posted) < 20
    assert GIVE_UP_S * 0.8 < jobs.now - started <= GIVE_UP_S + 120


def test_a_message_that_is_delivered_three_times_is_one_attempt() -> None:
    jobs, job = with_ended_job(500)
    (message,) = jobs.webhooks.sent

    for _ in range(3):
        jobs.deliverer.deliver(message)

    assert len(jobs.poster.posted) == len(hook(jobs, job).attempts) == 1


def test_an_attempt_whose_deliverer_crashed_is_followed_by_another() -> None:
    jobs, job = with_ended_job()
    message = jobs.webhooks.sent.pop()

    def lost(*_: object) -> int:
        raise RuntimeError("the process crashed")

    real, jobs.poster.post = jobs.poster.post, lost
    with pytest.raises(RuntimeError):
        jobs.deliverer.deliver(message)
    jobs.poster.post = real
    jobs.now += LEASE_S
    assert jobs.sweeper.sweep() == SweepSummary(due=1, webhooks=1)
    deliver(jobs)

    assert [(attempt.status, attempt.error) for attempt in hook(jobs, job).attempts] == [(None, None), (200, None)]
    assert hook(jobs, job).status is DeliveryStatus.DELIVERED


def test_an_attempt_that_ends_after_another_began_changes_nothing() -> None:
    jobs, job = with_ended_job()
    first = jobs.webhooks.sent.pop()
    real = jobs.poster.post

    def slow(*arguments: object) -> int:
        jobs.poster.post = real
        jobs.now += LEASE_S
        jobs.sweeper.sweep()
        deliver(jobs)
        return 500

    jobs.poster.post = slow
    jobs.deliverer.deliver(first)

    assert hook(jobs, job).status is DeliveryStatus.DELIVERED
    assert [attempt.status for attempt in hook(jobs, job).attempts] == [None, 200]


def test_a_requested_attempt_that_never_begins_is_requested_again_after_growing_pauses_for_a_day() -> None:
    jobs, job = with_ended_job()
    jobs.webhooks.sent.clear()
    started, requests = jobs.now, 0
    while jobs.job(job).due_at is not None:
        jobs.now += 60
        requests += jobs.sweeper.sweep().webhooks

    assert 20 < requests < 40
    assert {message.attempt for message in jobs.webhooks.sent} == {1}
    assert GIVE_UP_S < jobs.now - started < GIVE_UP_S + 2 * MAX_BACKOFF_S
    assert hook(jobs, job).status is DeliveryStatus.GIVEN_UP


def test_an_attempt_that_was_requested_twice_is_made_once() -> None:
    jobs, _ = with_ended_job()
    jobs.now += LEASE_S
    assert jobs.sweeper.sweep() == SweepSummary(due=1, webhooks=1)
    assert [message.attempt for message in jobs.webhooks.sent] == [1, 1]

    deliver(jobs)

    assert len(jobs.poster.posted) == 1


def test_a_post_that_crashes_each_deliverer_is_made_a_few_times_a_day() -> None:
    jobs, job = with_ended_job()

    def dies(*_: object) -> int:
        raise RuntimeError("the process crashed")

    jobs.poster.post = dies
    started = jobs.now
    while jobs.job(job).due_at is not None:
        while jobs.webhooks.sent:
            with pytest.raises(RuntimeError):
                jobs.deliverer.deliver(jobs.webhooks.sent.pop())
        jobs.now += 60
        jobs.sweeper.sweep()

    assert hook(jobs, job).status is DeliveryStatus.GIVEN_UP
    assert 10 < len(hook(jobs, job).attempts) < 20
    assert jobs.now - started < GIVE_UP_S + 120


def test_secrets_that_cannot_be_read_cost_no_attempt() -> None:
    jobs, job = with_ended_job()
    (message,) = jobs.webhooks.sent
    real = jobs.secrets.get_secrets

    def busy(tenant_id: str) -> None:
        raise Overloaded("busy")

    jobs.secrets.get_secrets = busy
    with pytest.raises(Overloaded):
        jobs.deliverer.deliver(message)
    jobs.secrets.get_secrets = real

    assert hook(jobs, job).attempts == ()


def test_an_attempt_is_signed_with_each_valid_secret_and_no_other() -> None:
    jobs, _ = with_ended_job(204)
    old = replace(SECRET, value="whsec_" + base64.b64encode(b"1" * 32).decode(), ends_at=int(jobs.now) + 1)
    gone = replace(SECRET, value="whsec_" + base64.b64encode(b"2" * 32).decode(), ends_at=int(jobs.now))
    jobs.secrets.stored["acme"] = (SECRET, old, gone)

    deliver(jobs)

    ((_, body, headers),) = jobs.poster.posted
    wanted = signature_headers(body, headers["webhook-id"], [SECRET, old], jobs.now)
    assert headers["webhook-signature"] == wanted["webhook-signature"]


def test_the_next_attempt_is_due_after_the_lease_of_one_under_way() -> None:
    jobs, job = with_ended_job()
    due: list[float | None] = []

    def post(*_: object) -> int:
        due.append(hook(jobs, job).due_at)
        return 204

    jobs.poster.post = post
    deliver(jobs)

    assert due == [jobs.now + LEASE_S]


def test_an_attempt_that_begins_during_the_sweep_is_not_requested() -> None:
    jobs, job = with_ended_job(500)
    deliver(jobs)
    jobs.now += LEASE_S
    waiting = iter([True])

    def another_begins() -> None:
        if next(waiting, False):
            known = jobs.job(job)
            assert jobs.store.save(known.with_webhook(hook(jobs, job).with_attempt_begun(jobs.now, LEASE_S, 30)))

    jobs.store.before = another_begins

    assert jobs.sweeper.sweep() == SweepSummary(due=1)
    assert jobs.webhooks.sent == []


def test_nothing_is_posted_without_a_signature() -> None:
    jobs, job = with_ended_job()
    jobs.secrets.stored.clear()

    deliver(jobs)

    assert jobs.poster.posted == []
    assert "no secret" in str(hook(jobs, job).attempts[0].error)


def test_nothing_is_posted_before_the_end() -> None:
    jobs = Jobs()
    job = jobs.submitted(4, webhook_url=HOOK)

    assert jobs.deliverer.deliver(WebhookMessage(tenant_id="acme", job_id=job.id, attempt=1)) is None
    assert jobs.poster.posted == []


def test_a_job_without_a_webhook_is_left_alone() -> None:
    jobs = Jobs()
    job = jobs.submitted(4)
    jobs.work()

    assert jobs.deliverer.deliver(WebhookMessage(tenant_id="acme", job_id=job.id, attempt=1)) is None


def test_an_attempt_that_a_busy_table_prevented_can_still_be_made() -> None:
    jobs, job = with_ended_job()
    (message,) = jobs.webhooks.sent

    def busy() -> None:
        raise Overloaded("busy")

    jobs.store.before = busy
    with pytest.raises(Overloaded):
        jobs.deliverer.deliver(message)
    jobs.store.before = lambda: None
    deliver(jobs)

    assert hook(jobs, job).status is DeliveryStatus.DELIVERED


def test_a_job_with_a_webhook_needs_a_secret() -> None:
    jobs = Jobs()
    jobs.secrets.stored.clear()

    with pytest.raises(InvalidRequest) as refused:
        jobs.submitted(4, webhook_url=HOOK)

    assert [fault.path for fault in refused.value.details] == ["webhook_url"]
    assert "/v1/account/webhook-secret" in refused.value.message
    assert jobs.store.jobs == {}
