"""API Gateway events to calls, errors and models to answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from pigeonhole.api.http import Call, applied, common_headers, failure, no_route, success
from pigeonhole.api.rate_headers import RateState
from pigeonhole.contract.classification import ClassificationResponse, Usage
from pigeonhole.contract.jobs import Preference
from pigeonhole.errors import (
    BY_CODE,
    Fault,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    RateLimited,
    TooLarge,
    from_code,
)

RATE = RateState(limit=10, remaining=3, reset_ms=5, is_counted=True)


def call(**event: Any) -> Call:
    base = {"httpMethod": "POST", "path": "/v1/classification", "headers": {}, "requestContext": {"requestId": "log-1"}}
    return Call.of(base | event)


@pytest.mark.parametrize(
    "path", ["/v1/classification", "//v1/classification", "/v1//classification///", "v1/classification", "/v1/classification/"]
)
def test_repeated_and_trailing_slashes_change_nothing(path: str) -> None:
    assert call(path=path).path == "/v1/classification"


def test_the_root_stays_the_root() -> None:
    assert (call(path="/").path, call(path="").path) == ("/", "/")


@pytest.mark.parametrize("name", ["x-api-key", "X-Api-Key", "X-API-KEY"])
def test_the_key_is_found_in_any_case(name: str) -> None:
    assert call(headers={name: "k"}).api_key == "k"


def test_a_call_without_headers_or_a_query_has_none() -> None:
    bare = call(headers=None, queryStringParameters=None)

    assert (bare.api_key, bare.wants_problem, bare.flag("deep")) == (None, False, False)


def test_the_lines_of_a_header_that_was_sent_several_times_are_one_list() -> None:
    lines = {
        "Prefer": ["respond-async", "wait=5"],
        "If-Match": ['"a"', '"b"'],
        "accept": ["application/json"],
        "Accept": ["application/problem+json"],
    }
    several = call(headers={name: values[-1] for name, values in lines.items()}, multiValueHeaders=lines)

    assert several.preference(24) == Preference(respond_async=True, wait_s=5)
    assert several.precondition().match == {'"a"', '"b"'}
    assert several.wants_problem


@pytest.mark.parametrize(
    ("prefer", "waits"), [("wait=600", "wait=24"), ("wait=24", "wait=24"), ("wait=5", "wait=5"), ("wait=0", "wait=0")]
)
def test_a_wait_is_applied_as_far_as_there_is_one(prefer: str, waits: str) -> None:
    wanted = call(headers={"Prefer": f"respond-async, {prefer}"}).preference(24)

    assert applied(wanted) == {"Preference-Applied": f"respond-async, {waits}"}


def test_a_body_is_json_whatever_its_content_type() -> None:
    sent = {"a": "ä🐦"}

    assert call(body=json.dumps(sent), headers={"Content-Type": "text/plain"}).json(100) == sent
    assert call(body="\ufeff" + json.dumps(sent)).json(100) == sent
    assert call(body=base64.b64encode(json.dumps(sent).encode()).decode(), isBase64Encoded=True).json(100) == sent


@pytest.mark.parametrize(
    "body", ["", None, "{", "a=1", '{"a": NaN}', '{"a": -Infinity}', "[" * 100_000, '{"a": ' + "9" * 5_000 + "}", "\udcff"]
)
def test_a_body_that_is_not_json_is_refused(body: str | None) -> None:
    with pytest.raises(InvalidRequest, match="JSON"):
        call(body=body).json(1_000_000)


def test_where_json_ends_to_be_json_is_told() -> None:
    with pytest.raises(InvalidRequest, match="line 2, column 1"):
        call(body='{"a": 1,\n}').json(100)


@pytest.mark.parametrize("body", ["***", "abc"])
def test_a_body_that_claims_to_be_base64_must_be(body: str) -> None:
    with pytest.raises(InvalidRequest, match="base64"):
        call(body=body, isBase64Encoded=True).json(100)


def test_bytes_that_are_no_utf_8_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="UTF-8"):
        call(body=base64.b64encode(b'"\xff"').decode(), isBase64Encoded=True).json(100)


def test_a_body_is_measured_in_bytes_after_decoding() -> None:
    assert call(body='"éé"').json(6) == "éé"
    assert call(body=base64.b64encode(b'"abcd"').decode(), isBase64Encoded=True).json(6) == "abcd"
    with pytest.raises(TooLarge, match="7 bytes and 6"):
        call(body='"ééx"').json(6)


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("application/problem+json", True),
        ("application/json, Application/Problem+JSON;q=0.9", True),
        ("application/problem+json;q=0, application/json", False),
        ("application/json", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_a_problem_is_given_to_who_accepts_one_by_name(accept: str, wanted: bool) -> None:
    assert call(headers={"accept": accept}).wants_problem is wanted


@pytest.mark.parametrize(("query", "deep"), [({"deep": "true"}, True), ({"deep": "TRUE"}, True), ({"deep": "false"}, False)])
def test_a_flag_is_true_or_false(query: dict[str, str], deep: bool) -> None:
    assert call(queryStringParameters=query).flag("deep") is deep


def test_another_flag_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="deep: must be true or false"):
        call(queryStringParameters={"deep": "1"}).flag("deep")


@pytest.mark.parametrize(
    ("read", "path", "value"),
    [
        (lambda sent: sent.flag("deep"), "deep", "1"),
        (lambda sent: sent.number("limit", 20, least=1, most=100), "limit", "0"),
        (lambda sent: sent.number("wait", 0, most=24.0), "wait", "x"),
        (lambda sent: sent.status(), "status", "done"),
        (lambda sent: sent.cursor(), "cursor", "x"),
        (lambda sent: sent.set_cursor(), "cursor", "X"),
        (lambda sent: sent.results_wanted(), "since", "x"),
        (lambda sent: sent.results_wanted(), "until", "x"),
        (lambda sent: sent.results_wanted(), "cursor", "*"),
        (lambda sent: sent.precondition(), "If-None-Match", '"a"'),
        (lambda sent: sent.idempotency_key(), "Idempotency-Key", "k" * 256),
    ],
)
def test_a_fault_of_a_parameter_or_a_header_is_among_the_details(read: Callable[[Call], object], path: str, value: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(call(queryStringParameters={path: value}, headers={path: value}))

    (fault,) = caught.value.details
    assert (fault.path, f"{fault.path}: {fault.message}") == (path, caught.value.message)


def test_what_is_not_wanted_beside_a_key_is_among_the_details() -> None:
    with pytest.raises(InvalidRequest, match="since: is not wanted beside key") as caught:
        call(queryStringParameters={"key": "k", "since": "2026-11-27T08:00:00Z"}).results_wanted()

    assert [fault.path for fault in caught.value.details] == ["since"]


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_every_error_has_the_status_and_the_shape_of_the_contract(code: str) -> None:
    error = from_code(code, "what is wrong")
    answer = failure(error, call())

    assert answer.status == BY_CODE[code].status
    assert answer.content_type == "application/json"
    assert json.loads(answer.body) == {
        "success": False,
        "message": error.message,
        "log_id": "log-1",
        "error": {"code": code},
    }


def test_each_fault_is_among_the_details() -> None:
    error = InvalidRequest("labels: too few", (Fault("labels", "too few"), Fault("", "odd")))

    assert json.loads(failure(error, call()).body)["error"] == {
        "code": "invalid_request",
        "details": [{"path": "labels", "message": "too few"}, {"path": "", "message": "odd"}],
    }


def test_a_problem_says_the_same_in_the_words_of_rfc_9457() -> None:
    error = InvalidRequest("labels: too few", (Fault("labels", "too few"),))
    answer = failure(error, call(headers={"Accept": "application/problem+json"}))

    assert answer.content_type == "application/problem+json"
    assert json.loads(answer.body) == {
        "type": "urn:pigeonhole:error:invalid_request",
        "title": "Bad Request",
        "status": 400,
        "detail": "labels: too few",
        "code": "invalid_request",
        "log_id": "log-1",
        "errors": [{"path": "labels", "message": "too few"}],
    }


def test_who_may_come_back_is_told_when() -> None:
    assert failure(Overloaded("busy"), call()).headers == {"Retry-After": "2"}
    assert failure(RateLimited("later", retry_after_s=86_391), call()).headers == {"Retry-After": "86391"}


def test_an_unknown_path_is_not_found_and_a_known_one_tells_its_methods() -> None:
    other = call(httpMethod="DELETE")

    assert isinstance(no_route(call(path="/v1/unknown")), NotFound)
    assert isinstance(no_route(other), MethodNotAllowed)
    assert failure(no_route(other), other).headers == {"Allow": "POST, OPTIONS"}


def test_an_answer_shows_nothing_that_is_none() -> None:
    usage = Usage(input_tokens=1, output_tokens=2, inference_time_tokens=3, total_tokens=6)
    answer = success(ClassificationResponse(log_id="l", predictions=["ä", None], _usage=usage))

    assert json.loads(answer.body) == {
        "success": True,
        "log_id": "l",
        "predictions": ["ä", None],
        "_usage": {"input_tokens": 1, "output_tokens": 2, "inference_time_tokens": 3, "total_tokens": 6},
    }


def test_an_answer_that_lambda_could_not_carry_is_refused() -> None:
    usage = Usage(input_tokens=1, output_tokens=2, inference_time_tokens=3, total_tokens=6)

    with pytest.raises(TooLarge, match="key"):
        success(ClassificationResponse(log_id="l", predictions=["x" * 1_000_000] * 6, _usage=usage))


def test_every_answer_may_be_read_by_a_page_of_any_origin() -> None:
    headers = common_headers(call(), RATE)

    assert headers["Access-Control-Allow-Origin"] == "*"
    for name in ("Retry-After", *RATE.headers()):
        assert name in headers["Access-Control-Expose-Headers"].split(", ")


def test_a_preflight_is_told_what_the_clients_send() -> None:
    headers = common_headers(call(httpMethod="OPTIONS"), RATE)

    assert headers["Access-Control-Allow-Methods"] == "POST, OPTIONS"
    allowed = headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"x-api-key", "content-type", "x-jigsaw-skip-cache", "x-jigsaw-no-request-log"} <= set(allowed)


def test_a_body_does_not_show_when_a_call_is_printed() -> None:
    assert "secret" not in repr(call(body="secret"))
