"""What follows a job's end on the deployed stack: an event on the bus, and a webhook that its receiver can verify."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier

from pigeonhole.contract.jobs import JOBS, WebhookInfo
from support.receiver import Receiver
from support.stack.deployment import Deployment, error_of, request, text
from support.stack.job_calls import Ends, ended, submit, sweep

PATIENCE_S = 120
BODY = request([text("I love it"), text("terrible")])


@pytest.fixture(scope="module")
def hasty(deploy: Any) -> Deployment:
    """A stack that tries a webhook again after a second, then two, then four."""
    deployment: Deployment = deploy("hasty", settings={"WebhooksFunction": {"PIGEONHOLE_WEBHOOK_PAUSE_S": "1"}})
    return deployment


@pytest.fixture(scope="module")
def secret(hasty: Deployment) -> str:
    answer = hasty.call("POST", "/v1/account/webhook-secret")
    assert answer.status_code == 200, answer.text
    made: str = answer.json()["webhook_secret"]
    return made


def webhook(deployment: Deployment, job_id: str) -> WebhookInfo:
    return WebhookInfo.model_validate(deployment.call("GET", f"{JOBS}/{job_id}").json()["job"]["webhook"])


def told(deployment: Deployment, job_id: str) -> WebhookInfo:
    """Wait until a job's webhook needs no further try; the sweep runs more often than each minute."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        found = webhook(deployment, job_id)
        if found.status != "pending":
            return found
        sweep(deployment)
        time.sleep(0.3)
    raise AssertionError(f"the webhook is still pending: {found}")


def test_the_end_of_a_job_is_posted_and_its_signature_verified(hasty: Deployment, secret: str, ends: Ends) -> None:
    with Receiver() as receiver:
        job = submit(hasty, BODY | {"webhook_url": receiver.url()}).job
        assert job.webhook is not None
        assert (job.webhook.url, job.webhook.status, job.webhook.attempts) == (receiver.url(), "pending", [])
        ended(hasty, job.id)
        found = told(hasty, job.id)

    assert (found.status, [it.status for it in found.attempts], found.next_at) == ("delivered", [204], None)
    (posted,) = receiver.posted
    data = Verifier(secret).verify(posted.body, posted.headers)
    assert (data["type"], data["data"]["id"], posted.headers["webhook-id"]) == ("job.succeeded", job.id, f"job_{job.id}")
    assert data["data"]["progress"] == {"total": 2, "succeeded": 2, "failed": 0}
    (event,) = ends.of(job.id)
    assert (event.tenant_id, event.status, event.succeeded, event.failed) == ("tests", "succeeded", 2, 0)


def test_a_receiver_that_is_down_for_five_tries_is_told_at_the_sixth(hasty: Deployment, secret: str, ends: Ends) -> None:
    with Receiver(500, 503, 500, 502, 500) as receiver:
        job = submit(hasty, BODY | {"webhook_url": receiver.url()}).job
        found = told(hasty, job.id)

    assert [it.status for it in found.attempts] == [500, 503, 500, 502, 500, 204]
    assert len({posted.headers["webhook-id"] for posted in receiver.posted}) == 1
    assert len(receiver.posted) == 6
    assert len(ends.of(job.id)) == 1


def test_gone_ends_the_tries_and_a_canceled_job_is_told_too(hasty: Deployment, secret: str) -> None:
    many = request([text(f"{number} {'word ' * 50}") for number in range(5_000)])
    with Receiver(410) as receiver:
        job = submit(hasty, many | {"webhook_url": receiver.url()}).job
        assert hasty.call("DELETE", f"{JOBS}/{job.id}").status_code == 200
        found = told(hasty, job.id)

    assert (found.status, len(receiver.posted)) == ("gone", 1)
    assert json.loads(receiver.posted[0].body)["type"] == "job.canceled"


def test_a_receiver_that_is_not_there_is_named_in_the_log(hasty: Deployment, secret: str) -> None:
    with Receiver() as receiver:
        url = receiver.url()
    job = submit(hasty, BODY | {"webhook_url": url}).job
    ended(hasty, job.id)
    until = time.monotonic() + PATIENCE_S
    while not (found := webhook(hasty, job.id)).attempts or not found.attempts[0].error:
        assert time.monotonic() < until
        time.sleep(0.2)

    assert (found.status, found.attempts[0].status) == ("pending", None)
    assert "no connection" in str(found.attempts[0].error)
    assert found.next_at is not None


def test_deliveries_are_signed_with_the_old_secret_too(hasty: Deployment, secret: str) -> None:
    newer = hasty.call("POST", "/v1/account/webhook-secret").json()
    account = hasty.call("GET", "/v1/account")
    with Receiver() as receiver:
        told(hasty, submit(hasty, BODY | {"webhook_url": receiver.url()}).job.id)

    (posted,) = receiver.posted
    for each in (secret, newer["webhook_secret"]):
        Verifier(each).verify(posted.body, posted.headers)
    assert account.json()["webhook_secret"]["old_valid_until"] == newer["old_valid_until"]
    assert newer["webhook_secret"] not in account.text


def test_a_webhook_without_a_secret_or_with_a_bad_address_is_refused(
    deployed: Deployment, hasty: Deployment, secret: str
) -> None:
    refused = deployed.call("POST", JOBS, BODY | {"webhook_url": "https://example.com/hook"})
    assert "/v1/account/webhook-secret" in error_of(refused, "invalid_request").message

    for url in ("https://10.0.0.1/", "https://intranet/", "ftp://example.com/"):
        fault = error_of(hasty.call("POST", JOBS, BODY | {"webhook_url": url}), "invalid_request")
        assert [each["path"] for each in fault.error.details or ()] == ["webhook_url"]


def test_a_request_that_prefers_a_job_may_have_a_webhook(hasty: Deployment, secret: str) -> None:
    with Receiver() as receiver:
        answer = hasty.classify(BODY | {"webhook_url": receiver.url()}, headers={"Prefer": "respond-async"})
        assert answer.status_code == 202
        assert told(hasty, answer.json()["job"]["id"]).status == "delivered"
