"""The services of functions/api do what their settings say."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from pigeonhole.contract.jobs import Preference
from pigeonhole.errors import InvalidRequest, PigeonholeError, TimedOut
from pigeonhole.settings import Settings
from pigeonhole.tenants.tenant import Tenant
from pigeonhole.wiring import api
from support.fakes import error_reply
from support.lambda_server import LambdaServer

BODY = {"dataset": [{"type": "text", "value": "x"}], "labels": [{"type": "text", "value": name} for name in "ab"]}
TENANT = Tenant("acme", created_at=0)
SETTINGS = Settings(
    table_name="t",
    classify_function="f",
    job_bucket="jobs",
    job_queue="q",
    plan_function="p",
    plan_queue="p",
    upload_bucket="uploads",
)


def classify(server: LambdaServer, monkeypatch: pytest.MonkeyPatch, **settings: object) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", server.url)
    services = api.api_services(replace(SETTINGS, **settings))  # type: ignore[arg-type]
    services.classification.classify(BODY, tenant=TENANT, log_id="l", preference=Preference())


def test_a_failed_invocation_of_the_classifier_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    with LambdaServer(status=500, headers={"x-amzn-ErrorType": "ServiceException"}) as server:
        with pytest.raises(PigeonholeError):
            classify(server, monkeypatch)

        assert len(server.invocations) == 1


def test_the_classifier_is_waited_for_as_long_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    with LambdaServer(body=None) as server:
        started = time.monotonic()
        with pytest.raises(TimedOut):
            classify(server, monkeypatch, invoke_timeout_s=0.3)

        assert len(server.invocations) == 1
    assert time.monotonic() - started < 10


def test_the_limits_of_the_settings_are_those_of_the_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    reply = error_reply("internal_error", "")
    with LambdaServer(body=reply.model_dump_json(exclude_none=True).encode()) as server:
        with pytest.raises(InvalidRequest, match="at most 1 labels"):
            classify(server, monkeypatch, max_labels=1)

        assert server.invocations == []


def test_a_period_that_no_usage_plan_has_is_refused() -> None:
    with pytest.raises(ValueError, match="YEAR"):
        api.api_services(replace(SETTINGS, quota_period="YEAR"))


def test_links_are_signed_for_the_buckets_own_region() -> None:
    """The host of all regions answers with a redirect, which such a signature does not cover."""
    objects = api.api_services(SETTINGS).job_reader.objects

    link = objects.link("results/acme/1.json", 60)

    assert link.startswith("https://jobs.s3.eu-west-1.amazonaws.com/results/acme/1.json?")
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in link


def test_services_are_built_once() -> None:
    assert api.api_services(SETTINGS) is api.api_services(replace(SETTINGS))
