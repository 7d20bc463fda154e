"""Domain objects become the models of HTTP answers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from pigeonhole.api.account import Account
from pigeonhole.api.answers import (
    to_account_response,
    to_job_info,
    to_response,
    to_results_document,
    to_upload_response,
    to_webhook_secret_response,
)
from pigeonhole.api.rate_headers import Quota, RateState
from pigeonhole.contract.classification import ClassificationRequest, LabelScore, SampleFault, parse_request
from pigeonhole.contract.commands import S3Grant
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.jobs.results import Answers, JobResults
from pigeonhole.jobs.webhook import Attempt, Webhook
from pigeonhole.settings import Settings
from pigeonhole.tenants.tenant import Tenant
from pigeonhole.tenants.webhook_secrets import NewWebhookSecret
from pigeonhole.uploads.create import UploadForm
from support.job_fixtures import JOB
from support.request_bodies import body

SCORE = LabelScore(label="sports", probability=0.75, similarity=0.5)
FAULT = SampleFault(index=1, code="unreadable_image", message="truncated")
RESULTS = JobResults(
    answers=[Answers(predictions=[["sports", "weather"], None], scores=[[SCORE], None])],
    errors=[FAULT],
    has_scores=True,
    input_tokens=69,
    output_tokens=14,
    inference_ms=3942,
)


def test_a_sample_whose_best_label_is_below_the_threshold_has_no_prediction_and_no_error() -> None:
    request = parse_request(ClassificationRequest, body(threshold=0.9, on_error="null"), RequestLimits())

    response = to_response(request, replace(RESULTS, answers=[Answers([[], ["sports"]], [None, None])], errors=[]), "log-1")

    assert (response.predictions, response.errors) == ([None, "sports"], [])


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ({}, {"predictions": ["sports", None]}),
        ({"multiple_labels": True}, {"predictions": [["sports", "weather"], None]}),
        ({"scores": True}, {"predictions": ["sports", None], "scores": [[SCORE.model_dump()], None]}),
        ({"on_error": "null"}, {"predictions": ["sports", None], "errors": [FAULT.model_dump(exclude_none=True)]}),
    ],
)
def test_a_request_gets_only_the_fields_that_it_asked_for(options: dict[str, Any], fields: dict[str, Any]) -> None:
    request = parse_request(ClassificationRequest, body(**options), RequestLimits())

    response = to_response(request, RESULTS, "log-1").model_dump(exclude_none=True)

    usage = {"input_tokens": 69, "output_tokens": 14, "inference_time_tokens": 3942, "total_tokens": 4025}
    assert response == {"success": True, "log_id": "log-1", "usage": usage, **fields}


def test_a_request_with_on_error_null_gets_a_list_of_errors_even_if_it_is_empty() -> None:
    request = parse_request(ClassificationRequest, body(on_error="null"), RequestLimits())

    assert to_response(request, replace(RESULTS, errors=[]), "log-1").errors == []


def test_a_request_gets_warnings_without_asking() -> None:
    results = replace(RESULTS, warnings=["dataset.0.value: cut"])

    assert (
        to_response(parse_request(ClassificationRequest, body(), RequestLimits()), results, "log-1").warnings
        == results.warnings
    )


def test_a_webhook_shows_its_attempts_and_when_the_next_is_due() -> None:
    attempts = (Attempt(1_000.0, status=500), Attempt(1_030.0, error="timed out"))
    webhook = Webhook("https://acme.example.com/hook", attempts=attempts, due_at=1_090.0)

    info = to_job_info(replace(JOB, webhook=webhook)).webhook

    assert info is not None
    assert info.model_dump(exclude_none=True) == {
        "url": "https://acme.example.com/hook",
        "status": "pending",
        "attempts": [
            {"at": "1970-01-01T00:16:40Z", "status": 500},
            {"at": "1970-01-01T00:17:10Z", "error": "timed out"},
        ],
        "next_at": "1970-01-01T00:18:10Z",
    }


def test_the_stored_document_of_results_does_not_show_the_webhook() -> None:
    job = replace(JOB, total=2, webhook=Webhook("https://acme.example.com/hook"))

    document = json.loads(to_results_document(job, RESULTS))

    assert "webhook" not in document["job"]
    assert (document["log_id"], document["predictions"]) == (job.id, ["sports", None])


def test_an_upload_form_shows_the_address_of_its_object() -> None:
    form = UploadForm(
        url="https://uploads.example",
        fields={"key": "uploads/acme/1"},
        bucket="bucket",
        object_key="uploads/acme/1",
        upload_id=None,
        max_bytes=5,
        expires_at=1_060,
        kept_until=4_600,
    )

    assert to_upload_response(form, "log-1").upload.model_dump() == {
        "url": "https://uploads.example",
        "fields": {"key": "uploads/acme/1"},
        "s3_uri": "s3://bucket/uploads/acme/1",
        "key": "uploads/acme/1",
        "id": None,
        "max_bytes": 5,
        "expires_at": "1970-01-01T00:17:40Z",
        "kept_until": "1970-01-01T01:16:40Z",
    }


def test_an_account_lists_every_prefix_that_requests_can_name() -> None:
    grants = [S3Grant(bucket=bucket, prefix=f"{bucket}/acme/") for bucket in ("photos", "uploads", "incoming")]
    account = Account(
        tenant=Tenant("acme", created_at=0, grants=(grants[0],)),
        request_limits=RequestLimits(),
        settings=Settings(),
        quota=Quota(10, "DAY"),
        uploads=grants[1],
        incoming=grants[2],
        secret_created_at=None,
        old_secret_valid_until=None,
    )

    response = to_account_response(account, RateState(10, 3, 5_000, is_counted=True), "log-1")

    assert response.s3_prefixes == ["s3://photos/photos/acme/", "s3://uploads/uploads/acme/", "s3://incoming/incoming/acme/"]
    assert (response.upload_prefix, response.incoming_prefix) == tuple(response.s3_prefixes[1:])
    assert response.webhook_secret is None
    assert (response.limits.requests, response.limits.requests_remaining, response.limits.requests_reset) == (10, 3, 5_000)


def test_a_new_secret_says_until_when_the_old_one_signs() -> None:
    response = to_webhook_secret_response(NewWebhookSecret("whsec_x", old_valid_until=1_000), "log-1")

    assert (response.webhook_secret, response.old_valid_until) == ("whsec_x", "1970-01-01T00:16:40Z")
