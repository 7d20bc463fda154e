"""The end of a job on the deployed stack: an event on the bus, and a webhook that its receiver can verify."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier

from pigeonhole.contract.jobs import JOBS, WebhookInfo
from support.receiver import Receiver
from support.stack.deployment import Deployment, request, text, verify_error
from support.stack.job_calls import JobEndEvents, submit, sweep, wait_until_ended

PATIENCE_S = 120
BODY = request([text("I love it"), text("terrible")])


@pytest.fixture(scope="module")
def hasty(deploy: Any) -> Deployment:
    """A stack that retries a webhook after one second, then two, then four."""
    deployment: Deployment = deploy("hasty", settings={"WebhooksFunction": {"PIGEONHOLE_WEBHOOK_PAUSE_S": "1"}})
    return deployment


@pytest.fixture(scope="module")
def secret(hasty: Deployment) -> str:
    answer = hasty.call("POST", "/v1/account/webhook-secret")
    assert answer.status_code == 200, answer.text
    secret_value: str = answer.json()["webhook_secret"]
    return secret_value


def webhook(deployment: Deployment, job_id: str) -> WebhookInfo:
    return WebhookInfo.model_validate(deployment.call("GET", f"{JOBS}/{job_id}").json()["job"]["webhook"])


def wait_for_webhook(deployment: Deployment, job_id: str) -> WebhookInfo:
    """Run the sweeper until a job's webhook needs no further attempt."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        state = webhook(deployment, job_id)
        if state.status != "pending":
            return state
        sweep(deployment)
        time.sleep(0.3)
    raise AssertionError(f"the webhook is still pending: {state}")


def test_the_end_of_a_job_is_posted_and_its_signature_verified(hasty: Deployment, secret: str, ends: JobEndEvents) -> None:
    with Receiver() as receiver:
        job = submit(hasty, BODY | {"webhook_url": receiver.url()}).job
        assert job.webhook is not None
        assert (job.webhook.url, job.webhook.status, job.webhook.attempts) == (receiver.url(), "pending", [])
        wait_until_ended(hasty, job.id)
        state = wait_for_webhook(hasty, job.id)

    assert (state.status, [attempt.status for attempt in state.attempts], state.next_at) == ("delivered", [204], None)
    (posted,) = receiver.posted
    data = Verifier(secret).verify(posted.body, posted.headers)
    assert (data["type"], data["data"]["id"], posted.headers["webhook-id"]) == ("job.succeeded", job.id, f"job_{job.id}")
    assert data["data"]["progress"] == {"total": 2, "succeeded": 2, "failed": 0}
    (event,) = ends.wait_for(job.id)
    assert (event.tenant_id, event.status, event.succeeded, event.failed) == ("tests", "succeeded", 2, 0)


def test_a_receiver_that_is_down_for_five_attempts_is_notified_at_the_sixth(
    hasty: Deployment, secret: str, ends: JobEndEvents
) -> None:
    with Receiver(500, 503, 500, 502, 500) as receiver:
        job = submit(hasty, BODY | {"webhook_url": receiver.url()}).job
        state = wait_for_webhook(hasty, job.id)

    assert [attempt.status for attempt in state.attempts] == [500, 503, 500, 502, 500, 204]
    assert len({posted.headers["webhook-id"] for posted in receiver.posted}) == 1
    assert len(receiver.posted) == 6
    assert len(ends.wait_for(job.id)) == 1


def test_gone_ends_the_attempts_and_a_canceled_job_is_notified(hasty: Deployment, secret: str) -> None:
    many = request([text(f"{number} {'word ' * 50}") for number in range(5_000)])
    with Receiver(410) as receiver:
        job = submit(hasty, many | {"webhook_url": receiver.url()}).job
        assert hasty.call("DELETE", f"{JOBS}/{job.id}").status_code == 200
        state = wait_for_webhook(hasty, job.id)

    assert (state.status, len(receiver.posted)) == ("gone", 1)
    assert json.loads(receiver.posted[0].body)["type"] == "job.canceled"


def test_a_missing_receiver_is_in_the_log_of_attempts(hasty: Deployment, secret: str) -> None:
    with Receiver() as receiver:
        url = receiver.url()
    job = submit(hasty, BODY | {"webhook_url": url}).job
    wait_until_ended(hasty, job.id)
    until = time.monotonic() + PATIENCE_S
    while not (state := webhook(hasty, job.id)).attempts or not state.attempts[0].error:
        assert time.monotonic() < until
        time.sleep(0.2)

    assert (state.status, state.attempts[0].status) == ("pending", None)
    assert "no connection" in str(state.attempts[0].error)
    assert state.next_at is not None


def test_deliveries_are_also_signed_with_the_old_secret(hasty: Deployment, secret: str) -> None:
    newer = hasty.call("POST", "/v1/account/webhook-secret").json()
    account = hasty.call("GET", "/v1/account")
    with Receiver() as receiver:
        wait_for_webhook(hasty, submit(hasty, BODY | {"webhook_url": receiver.url()}).job.id)

    (posted,) = receiver.posted
    for item in (secret, newer["webhook_secret"]):
        Verifier(item).verify(posted.body, posted.headers)
    assert account.json()["webhook_secret"]["old_valid_until"] == newer["old_valid_until"]
    assert newer["webhook_secret"] not in account.text


def test_a_webhook_without_a_secret_or_with_a_bad_address_is_refused(
    deployed: Deployment, hasty: Deployment, secret: str
) -> None:
    refused = deployed.call("POST", JOBS, BODY | {"webhook_url": "https://example.com/hook"})
    assert "/v1/account/webhook-secret" in verify_error(refused, "invalid_request").message

    for url in ("https://10.0.0.1/", "https://intranet/", "ftp://example.com/"):
        fault = verify_error(hasty.call("POST", JOBS, BODY | {"webhook_url": url}), "invalid_request")
        assert [item["path"] for item in fault.error.details or ()] == ["webhook_url"]


def test_a_request_that_prefers_a_job_may_have_a_webhook(hasty: Deployment, secret: str) -> None:
    with Receiver() as receiver:
        answer = hasty.classify(BODY | {"webhook_url": receiver.url()}, headers={"Prefer": "respond-async"})
        assert answer.status_code == 202
        assert wait_for_webhook(hasty, answer.json()["job"]["id"]).status == "delivered"
