"""functions/api answers raw API Gateway events: classification, authentication, errors and headers."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from backports import zstd

from pigeonhole.api.routes import OPERATIONS
from pigeonhole.contract.commands import ClassifyCommand
from pigeonhole.errors import InternalError, Overloaded, TimedOut
from support.api_calls import Answer, Api, api_with_fakes
from support.fakes import error_reply
from support.handlers import API_KEY, EVENT, ROOT, event

BODY = json.loads(EVENT["body"])
KEYED = [
    (operation.method, operation.path.replace("{job_id}", "0" * 32)) for operation in OPERATIONS if not operation.is_open
] + [("GET", "/v1/health?deep=true")]

ANY_QUERY = [(operation.method, operation.path) for operation in OPERATIONS if operation.ignores_query]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    return api_with_fakes(monkeypatch)


def classify(api: Api, body: Any = BODY, **headers: str) -> Answer:
    return api.call("POST", "/v1/classification", body=body, **headers)


def test_the_sample_event_is_answered_as_the_reference_does(api: Api) -> None:
    answer = api.send(EVENT)

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == {
        "success": True,
        "log_id": EVENT["requestContext"]["requestId"],
        "predictions": ["positive", "positive"],
        "_usage": {"input_tokens": 69, "output_tokens": 14, "inference_time_tokens": 3942, "total_tokens": 4025},
    }


def test_the_classifier_gets_the_tenant_and_the_log_id(api: Api) -> None:
    classify(api)

    (command,) = api.classifier.commands
    assert isinstance(command, ClassifyCommand)
    assert (command.tenant_id, command.log_id) == ("acme", EVENT["requestContext"]["requestId"])
    assert [grant.prefix for grant in command.grants] == ["acme/"]


def test_a_base_url_that_ends_in_a_slash_works(api: Api) -> None:
    path = "//v1/classification"
    raw = EVENT | {"path": path, "resource": "/{proxy+}", "pathParameters": {"proxy": path[1:]}}

    assert api.send(raw).json["predictions"] == ["positive", "positive"]


def test_a_path_that_the_gateway_does_not_check_still_needs_an_api_key(api: Api) -> None:
    raw = event("POST", "//v1/classification", body=BODY, api_key=None) | {"resource": "/{proxy+}"}

    assert (api.send(raw).status, api.classifier.commands) == (401, [])


@pytest.mark.parametrize(("method", "path"), KEYED)
@pytest.mark.parametrize("api_key", [None, "", "an-unknown-key"])
def test_there_is_no_answer_without_a_valid_api_key(api: Api, method: str, path: str, api_key: str | None) -> None:
    answer = api.call(method, path, api_key=api_key, body=BODY)

    assert (answer.status, "is not a valid key" in answer.text) == (401, True)
    assert api.classifier.commands == []


def test_a_revoked_api_key_is_refused(api: Api) -> None:
    api.store.end_api_key(api.store.records["id1"], 1)

    assert classify(api).status == 401


@pytest.mark.parametrize(
    "path", ["/v1/health", "/v1/health?deep=false", "/openapi.json", "/docs", "/", "/playground/style.css"]
)
def test_open_routes_need_no_api_key_and_count_no_request(api: Api, path: str) -> None:
    assert api.call("GET", path, api_key=None).status == 200
    assert (api.store.lookups, api.counter.counts) == (0, {})


@pytest.mark.parametrize(
    "headers",
    [
        {"prefer": "handling=lenient"},
        {"idempotency_key": "1"},
        {"x_jigsaw_skip_cache": "true", "x_jigsaw_no_request_log": "true"},
        {"content_type": "text/plain"},
        {"accept": "text/html"},
    ],
)
def test_headers_that_change_nothing_are_accepted(api: Api, headers: dict[str, str]) -> None:
    assert classify(api, **headers).status == 200


@pytest.mark.parametrize("body", [None, "{", "[]"])
def test_a_body_that_is_no_json_object_is_400(api: Api, body: str | None) -> None:
    answer = classify(api, body)

    assert (answer.status, answer.code) == (400, "invalid_request")


def test_every_fault_of_a_body_is_reported_at_once(api: Api) -> None:
    answer = classify(api, {"dataset": [{"type": "text"}], "labels": BODY["labels"][:1], "top_k": 0})

    assert answer.status == 400
    assert answer.json == {
        "success": False,
        "message": "dataset.0.value: is required (and 2 more)",
        "log_id": EVENT["requestContext"]["requestId"],
        "error": {
            "code": "invalid_request",
            "details": [
                {"path": "dataset.0.value", "message": "is required"},
                {"path": "labels", "message": "at least 2 distinct labels are needed, got 1"},
                {"path": "top_k", "message": "must be at least 1"},
            ],
        },
    }


def test_a_body_above_the_limit_is_413(api: Api) -> None:
    answer = classify(api, " " * 4_000_001)

    assert (answer.status, answer.code) == (413, "too_large")
    assert "by URL" in answer.json["message"]


@pytest.mark.parametrize(("coding", "compress"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
def test_a_compressed_body_is_taken(api: Api, coding: str, compress: Callable[[bytes], bytes]) -> None:
    body = base64.b64encode(compress(json.dumps(BODY).encode())).decode()
    raw = event("POST", "/v1/classification", body=body, content_encoding=coding)

    assert api.send(raw | {"isBase64Encoded": True}).json["predictions"] == ["positive", "positive"]


def test_another_encoding_is_415_and_the_answer_names_those_that_are_taken(api: Api) -> None:
    answer = classify(api, content_encoding="br")

    assert (answer.status, answer.code) == (415, "unsupported_encoding")
    assert answer.headers["accept-encoding"] == "gzip, zstd"


def test_a_body_at_the_limit_is_accepted(api: Api) -> None:
    text = json.dumps(BODY)

    assert classify(api, text + " " * (4_000_000 - len(text))).status == 200


@pytest.mark.parametrize(
    ("code", "status", "retry_after"),
    [
        ("unreadable_image", 400, None),
        ("unfetchable_url", 400, None),
        ("forbidden_url", 400, None),
        ("unsupported_media", 400, None),
        ("too_large", 413, None),
        ("internal_error", 500, None),
        ("overloaded", 503, "2"),
    ],
)
def test_errors_of_the_classifier_have_their_status(api: Api, code: str, status: int, retry_after: str | None) -> None:
    api.classifier.reply = error_reply(code, "what is wrong")
    answer = classify(api)

    assert (answer.status, answer.code, answer.headers.get("retry-after")) == (status, code, retry_after)


@pytest.mark.parametrize(("error", "status"), [(TimedOut("t"), 504), (Overloaded("o"), 503)])
def test_a_classifier_that_does_not_answer_has_its_status(api: Api, error: Exception, status: int) -> None:
    api.classifier.reply = error

    assert classify(api).status == status


def test_a_table_that_is_busy_is_503_and_not_401(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(key_hash: str) -> None:
        raise Overloaded("The service is busy. Try again.")

    monkeypatch.setattr(api.store, "find_api_key", busy)

    assert classify(api).status == 503


def with_cause(error: Exception) -> Exception:
    error.__cause__ = KeyError("10.0.0.7")
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("10.0.0.7"), "RuntimeError"),
        (with_cause(ValueError("no 10.0.0.7")), "KeyError"),
        (with_cause(InternalError()), "KeyError"),
    ],
)
def test_an_unexpected_error_is_logged_by_class_and_line_and_its_message_is_nowhere(
    api: Api, error: Exception, kind: str
) -> None:
    api.classifier.reply = error
    answer = classify(api)

    assert (answer.status, answer.code) == (500, "internal_error")
    assert "10.0.0.7" not in answer.text
    assert "Traceback" not in answer.text
    (line,) = [json.loads(line) for line in api.log.getvalue().splitlines() if '"ERROR"' in line]
    assert line["correlation_id"] == answer.json["log_id"]
    assert "10.0.0.7" not in api.log.getvalue()
    assert kind in line["trace"]
    assert any("fakes/classifier.py" in frame for frame in line["trace"])


@pytest.mark.parametrize(
    "path", ["/openapi-json", "/playground", "/v2/classification", "/v1/classification/x", "/v1", "/docs/x", "/%2e%2e/docs"]
)
def test_an_unknown_path_is_404(api: Api, path: str) -> None:
    answer = api.call("GET", path)

    assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/classification", "POST, OPTIONS"),
        ("DELETE", "/v1/classification", "POST, OPTIONS"),
        ("PUT", "//v1/classification/", "POST, OPTIONS"),
        ("POST", "/v1/health", "GET, HEAD, OPTIONS"),
        ("PATCH", "/v1/models", "GET, HEAD, OPTIONS"),
    ],
)
def test_another_method_is_405_and_the_answer_names_the_allowed_ones(api: Api, method: str, path: str, allow: str) -> None:
    answer = api.call(method, path)

    assert (answer.status, answer.code, answer.headers["allow"]) == (405, "method_not_allowed", allow)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("collection", ["/v1/label-sets/", "/v1/classification/jobs/"])
@pytest.mark.parametrize("name", ["😀", 'a"b', "a?b", "\x00", "a\nb", "`"])
def test_an_id_or_a_name_that_nothing_can_have_is_404(api: Api, method: str, collection: str, name: str) -> None:
    answer = api.send(event(method, "") | {"path": collection + name})

    assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize("name", ["😀", 'a"b', "a?b", "\x00", "A", "x" * 65])
def test_a_label_set_cannot_be_stored_under_a_name_against_the_rule(api: Api, name: str) -> None:
    answer = api.send(event("PUT", "", body={"labels": BODY["labels"]}) | {"path": "/v1/label-sets/" + name})

    assert (answer.status, answer.code) == (400, "invalid_request")
    assert "lower-case letters, digits, - and _" in answer.json["message"]


@pytest.mark.parametrize("api_key", [None, API_KEY])
@pytest.mark.parametrize("path", ["/v1/health", "/openapi.json", "/docs", "/"])
def test_a_monitor_may_ask_by_head(api: Api, path: str, api_key: str | None) -> None:
    answer = api.call("HEAD", path, api_key=api_key)

    assert (answer.status, answer.text) == (200, "")
    assert answer.headers["content-type"] == api.call("GET", path).headers["content-type"]


@pytest.mark.parametrize(("method", "path"), [route for route in KEYED if route not in ANY_QUERY])
def test_a_parameter_that_does_not_exist_is_named_at_every_route(api: Api, method: str, path: str) -> None:
    answer = api.call(method, f"{path}{'&' if '?' in path else '?'}colour=red", body=BODY)

    assert answer.status == (422 if path == "/v1/systemone" else 400)
    assert "colour: is no parameter of the query" in answer.text or '"colour"' in answer.text


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/", "/playground/style.css"])
def test_a_page_may_be_asked_with_any_parameter(api: Api, path: str) -> None:
    assert api.call("GET", f"{path}?_=1795718960").status == 200


@pytest.mark.parametrize("path", ["/v1/classification/jobs", "/v1/label-sets", "/v1/results"])
@pytest.mark.parametrize("limit", ["0", "101", "500", "x"])
def test_a_limit_beyond_its_range_is_400_everywhere(api: Api, path: str, limit: str) -> None:
    answer = api.call("GET", f"{path}?limit={limit}")

    assert (answer.status, answer.json["message"]) == (400, "limit: must be a whole number from 1 to 100")


def test_a_head_of_a_route_with_a_key_needs_the_key(api: Api) -> None:
    assert api.call("HEAD", "/v1/account", api_key=None).status == 401
    assert api.call("HEAD", "/v1/account").status == 200


def test_a_caller_that_accepts_a_problem_gets_one(api: Api) -> None:
    answer = api.call("GET", "/v1/classification", accept="application/problem+json")

    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == answer.status == 405
    assert (answer.json["code"], answer.json["detail"]) == ("method_not_allowed", "GET can't be used here. Use POST.")
    assert answer.headers["allow"] == "POST, OPTIONS"


@pytest.mark.parametrize("path", ["/v1/classification", "//v1/classification", "/v1/unknown"])
def test_a_preflight_is_answered_without_an_api_key(api: Api, path: str) -> None:
    answer = api.call("OPTIONS", path, api_key=None, origin="https://app.example.com", access_control_request_method="POST")

    assert (answer.status, answer.text) == (204, "")
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "x-api-key" in answer.headers["access-control-allow-headers"]


EVERY_KIND = [
    ("POST", "/v1/classification", {"body": BODY}, 200),
    ("POST", "/v1/classification", {"body": "{"}, 400),
    ("POST", "/v1/classification", {"api_key": None}, 401),
    ("GET", "/nowhere", {}, 404),
    ("DELETE", "/v1/classification", {}, 405),
    ("POST", "/v1/classification", {"body": " " * 4_000_001}, 413),
    ("OPTIONS", "/v1/classification", {}, 204),
    ("GET", "/docs", {"api_key": None}, 200),
    ("GET", "/", {"api_key": None}, 200),
    ("GET", "/openapi.json", {"api_key": None}, 200),
    ("GET", "/v1/health", {"api_key": None}, 200),
    ("GET", "/v1/account", {}, 200),
]


@pytest.mark.parametrize(("method", "path", "more", "status"), EVERY_KIND)
def test_every_answer_has_cors_and_the_rate_figures(
    api: Api, method: str, path: str, more: dict[str, Any], status: int
) -> None:
    answer = api.call(method, path, **more)

    assert answer.status == status
    assert answer.headers["access-control-allow-origin"] == "*"
    exposed = answer.headers["access-control-expose-headers"].lower().split(", ")
    assert answer.headers["x-jigsaw-rate-limit-limit"] == "100"
    assert int(answer.headers["x-jigsaw-rate-limit-remaining"]) in (99, 100)
    assert int(answer.headers["x-jigsaw-rate-limit-reset"]) > 1_790_000_000_000
    assert {"retry-after", *(name for name in answer.headers if name.startswith("x-jigsaw"))} <= set(exposed)


def test_a_500_has_cors_and_the_rate_figures(api: Api) -> None:
    api.classifier.reply = RuntimeError()
    answer = classify(api)

    assert answer.status == 500
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-jigsaw-rate-limit-remaining"] == "99"


def test_each_request_of_the_tenant_leaves_one_less(api: Api) -> None:
    remaining = [classify(api).headers["x-jigsaw-rate-limit-remaining"] for _ in range(3)]

    assert remaining == ["99", "98", "97"]


def test_a_counter_that_fails_fails_no_request(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise OSError("no table")

    api.counter.before = fail
    answer = classify(api)

    assert (answer.status, answer.headers["x-jigsaw-rate-limit-remaining"]) == (200, "100")
    assert "uncounted_requests" in capsys.readouterr().out


def test_an_answer_that_lambda_could_not_carry_is_413(api: Api) -> None:
    labels = [{"type": "image", "value": "data:image/png;base64," + "A" * 500_000}, BODY["labels"][0]]
    answer = classify(api, BODY | {"labels": labels, "dataset": [{"type": "text", "value": "x"}] * 16})

    assert (answer.status, answer.code) == (413, "too_large")
    assert "key" in answer.json["message"]


def test_a_body_of_many_wrong_items_gets_a_short_answer(api: Api) -> None:
    assert len(classify(api, {"dataset": [1] * 1_000_000, "labels": []}).text) < 1_000


def test_the_function_works_without_packages_that_only_the_images_have() -> None:
    blocked = ["numpy", "PIL", "httpx", "httpcore", "onnxruntime", "torch", "transformers", "tokenizers", "cachetools"]
    code = f"""
import sys
blocked = {blocked}
for name in blocked:
    sys.modules[name] = None
import json, handler
from pigeonhole.wiring import api
from pigeonhole.settings import Settings
class Context: function_name, memory_limit_in_mb, invoked_function_arn, aws_request_id = "f", 1, "arn", "r"
names = "table_name classify_function job_bucket job_queue plan_function plan_queue upload_bucket".split()
services = api.api_services(Settings(**dict.fromkeys(names, "x")))
handler.services = lambda: services
event = json.load(open({str(ROOT / "events/api-classification.json")!r}))
for path in ("/v1/health", "/openapi.json", "/docs", "/"):
    answer = handler.handler(event | {{"httpMethod": "GET", "path": path, "body": None}}, Context())
    assert answer["statusCode"] == 200, answer
"""
    paths = f"{ROOT / 'functions/api'}:{ROOT / 'layers/core'}"
    environment = {"PYTHONPATH": paths, "AWS_DEFAULT_REGION": "eu-west-1", "PATH": "/usr/bin:/bin"}

    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)

    assert ran.returncode == 0, ran.stderr
