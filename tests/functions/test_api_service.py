"""functions/api answers about itself: health, models, the account and documents. Its logs and metrics."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

import pytest

from pigeonhole.api import openapi
from pigeonhole.errors import BY_CODE, TimedOut
from support.api_calls import Api, api_with_fakes
from support.fakes import error_reply
from support.handlers import API_KEY, EVENT

MODEL = {
    "id": "fake",
    "revision": "r1",
    "engine": "fake",
    "text_encoder": "fake-text",
    "licence": "Apache-2.0",
    "calibrated": True,
    "input_pixels": 64,
    "max_text_tokens": 77,
}
LOG_ID = EVENT["requestContext"]["requestId"]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    return api_with_fakes(monkeypatch)


def test_health_is_open_and_does_not_ask_the_classifier(api: Api) -> None:
    assert api.call("GET", "/v1/health", api_key=None).json == {"success": True, "status": "ok", "log_id": LOG_ID}
    assert api.classifier.commands == []


def test_deep_health_describes_the_model_of_the_classifier(api: Api) -> None:
    answer = api.call("GET", "/v1/health?deep=true")

    assert answer.json == {"success": True, "status": "ok", "log_id": LOG_ID, "model": MODEL}


def test_deep_health_fails_with_the_classifier(api: Api) -> None:
    api.classifier.reply = TimedOut("took too long")
    assert api.call("GET", "/v1/health?deep=true").status == 504

    api.classifier.reply = error_reply("internal_error", "")
    assert api.call("GET", "/v1/health?deep=true").status == 500


def test_a_flag_that_is_neither_true_nor_false_is_400(api: Api) -> None:
    assert api.call("GET", "/v1/health?deep=yes").status == 400


def test_the_deployed_models_are_listed(api: Api) -> None:
    assert api.call("GET", "/v1/models").json == {"success": True, "log_id": LOG_ID, "models": [MODEL]}


def test_the_account_has_the_callers_limits_and_s3_prefixes(api: Api) -> None:
    answer = api.call("GET", "/v1/account")

    assert answer.json == {
        "success": True,
        "log_id": LOG_ID,
        "tenant": {"id": "acme", "created_at": "2023-11-14T22:13:20Z"},
        "limits": {
            "max_samples": 32,
            "max_job_samples": 10_000,
            "max_result_bytes": 50_000_000,
            "max_labels": 24,
            "max_text_chars": 8000,
            "max_label_chars": 512,
            "max_body_bytes": 4000000,
            "max_image_bytes": 20000000,
            "max_image_megapixels": 50,
            "max_request_image_bytes": 256000000,
            "max_label_sets": 1000,
            "requests": 100,
            "requests_period": "MONTH",
            "requests_remaining": 99,
            "requests_reset": int(answer.headers["x-jigsaw-rate-limit-reset"]),
        },
        "s3_prefixes": ["s3://photos/acme/"],
        "webhook_secret": {"created_at": "1970-01-01T00:00:00Z"},
    }


def test_a_webhook_secret_is_shown_once_and_the_account_says_that_there_is_one(api: Api) -> None:
    api.jobs.secrets.stored.clear()
    assert "webhook_secret" not in api.call("GET", "/v1/account").json

    first = api.call("POST", "/v1/account/webhook-secret")
    second = api.call("POST", "/v1/account/webhook-secret")

    assert set(first.json) == {"success", "log_id", "webhook_secret"}
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", first.json["webhook_secret"])
    assert second.json["webhook_secret"] != first.json["webhook_secret"]
    account = api.call("GET", "/v1/account")
    assert account.json["webhook_secret"]["old_valid_until"] == second.json["old_valid_until"]
    assert "whsec_" not in account.text + api.log.getvalue()


def test_the_openapi_document_is_the_generated_one(api: Api) -> None:
    answer = api.call("GET", "/openapi.json", api_key=None)

    assert answer.headers["content-type"] == "application/json"
    assert answer.text == openapi.as_json()


def test_the_docs_page_fetches_nothing(api: Api) -> None:
    answer = api.call("GET", "/docs", api_key=None)

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    # A browser fetches nothing for the page itself, and the policy lets its scripts fetch nothing from elsewhere.
    markup = re.sub(r"<(script|style)>.*?</\1>", "", answer.text, flags=re.DOTALL)
    assert re.findall(r"<(?:link|img|iframe)[^>]*(?:src|href)=\"([^\"]*)\"|src=\"([^\"]*)\"", markup) == [("data:,", "")]
    assert not re.search(r"@import|url\((?![\"']?data:)", answer.text.partition("</style>")[0])
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert (policy["default-src"], policy["connect-src"]) == ("'none'", "'self'")
    assert "http" not in answer.headers["content-security-policy"]


def test_the_docs_page_runs_only_its_own_scripts(api: Api) -> None:
    answer = api.call("GET", "/docs", api_key=None)

    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    scripts = re.findall(r"<script>(.*?)</script>", answer.text, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert policy["script-src"].split() == [f"'sha256-{digest}'" for digest in digests]


def test_the_docs_page_describes_every_error_and_the_document_links_there(api: Api) -> None:
    page = api.call("GET", "/docs", api_key=None).text
    document = api.call("GET", "/openapi.json", api_key=None).text

    described = set(re.findall(r'<div id="error-(\w+)">', page))
    assert described == set(BY_CODE)
    assert set(re.findall(r"docs#error-(\w+)", document)) <= described
    assert "docs#error-too_large" in document


def test_the_docs_page_shows_the_document_in_swagger_ui(api: Api) -> None:
    page = api.call("GET", "/docs", api_key=None).text
    document = re.search(r"spec: (\{.*\}),\n", page)

    assert document
    assert json.loads(document[1]) == api.call("GET", "/openapi.json", api_key=None).json
    assert "SwaggerUIBundle" in page
    assert "validatorUrl: null" in page


def test_the_docs_page_fits_into_a_lambda_answer(api: Api) -> None:
    page = api.call("GET", "/docs", api_key=None).text

    assert len(json.dumps({"body": page})) < 5_500_000


def lines(api: Api) -> list[dict[str, Any]]:
    return [json.loads(line) for line in api.log.getvalue().splitlines()]


def test_a_request_is_one_line_of_the_log_under_its_log_id(api: Api) -> None:
    api.send(EVENT)

    (line,) = lines(api)
    assert line["correlation_id"] == LOG_ID
    logged = {name: line[name] for name in ("level", "service", "method", "route", "status", "code", "tenant")}
    assert logged == {
        "level": "INFO",
        "service": "api",
        "method": "POST",
        "route": "/v1/classification",
        "status": 200,
        "code": "ok",
        "tenant": "acme",
    }


SECRETS = {
    "dataset": [{"type": "image", "value": "https://secret.example.com/secret.jpg"}],
    "labels": [{"key": "secret-key", "type": "text", "value": "secret-label"}, {"type": "image", "value": "s3://secret/x"}],
    "instruction": "secret-instruction",
}


@pytest.mark.parametrize("body", [SECRETS, SECRETS | {"labels": ["secret"]}, '{"secret'])
@pytest.mark.parametrize("reply", [None, RuntimeError("broken"), error_reply("unfetchable_url", "secret.example.com is down")])
def test_nothing_that_a_caller_sends_is_logged_or_measured(
    api: Api, capsys: pytest.CaptureFixture[str], body: Any, reply: Any
) -> None:
    api.classifier.reply = reply
    api.call("POST", "/v1/classification?token=secret", body=body)
    api.call("GET", "/v1/secret")

    everything = api.log.getvalue() + capsys.readouterr().out
    assert "answered" in everything
    assert "secret" not in everything
    assert API_KEY not in everything


def measured(text: str) -> dict[str, Any]:
    """Return each metric by its name, or by `name by code` if it has that dimension."""
    metrics: dict[str, Any] = {}
    for line in text.splitlines():
        entry = json.loads(line)
        (directive,) = entry["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "Pigeonhole"
        for dimensions in directive["Dimensions"]:
            assert set(dimensions) <= {"service", "code", "function_name"}, "each value of a dimension costs extra"
            for metric in directive["Metrics"]:
                by = f" by {entry['code']}" if "code" in dimensions else ""
                metrics[metric["Name"] + by] = entry[metric["Name"]][0]
    metrics.pop("ColdStart", None)
    return metrics


def test_a_request_is_measured(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.send(EVENT)

    assert measured(capsys.readouterr().out) == {"requests": 1, "samples": 2, "inference_ms": 3942}


def test_an_error_is_measured_by_its_code(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.call("POST", "/v1/classification", body="{")

    assert measured(capsys.readouterr().out) == {"requests": 1, "errors": 1, "errors by invalid_request": 1}
