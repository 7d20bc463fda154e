"""Errors and responses become HTTP answers: status, headers and body."""

from __future__ import annotations

import json

import pytest

from pigeonhole.api.http_answers import common_headers, to_error_answer, to_no_route_error, to_ok
from pigeonhole.api.http_request import HttpRequest
from pigeonhole.api.rate_headers import RateState
from pigeonhole.contract.classification import ClassificationResponse, Usage
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


def request(method: str = "POST", path: str = "/v1/classification", **headers: str) -> HttpRequest:
    return HttpRequest(method, path, headers, {}, "log-1")


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_every_error_has_the_status_and_the_shape_of_the_contract(code: str) -> None:
    error = from_code(code, "what is wrong")
    answer = to_error_answer(error, request())

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

    assert json.loads(to_error_answer(error, request()).body)["error"] == {
        "code": "invalid_request",
        "details": [{"path": "labels", "message": "too few"}, {"path": "", "message": "odd"}],
    }


def test_a_problem_says_the_same_in_the_words_of_rfc_9457() -> None:
    error = InvalidRequest("labels: too few", (Fault("labels", "too few"),))
    answer = to_error_answer(error, request(accept="application/problem+json"))

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


def test_an_error_that_may_pass_says_when_to_retry() -> None:
    assert to_error_answer(Overloaded("busy"), request()).headers == {"Retry-After": "2"}
    assert to_error_answer(RateLimited("later", retry_after_s=86_391), request()).headers == {"Retry-After": "86391"}


def test_an_unknown_path_is_not_found_and_a_known_one_names_its_methods() -> None:
    other = request(method="DELETE")

    assert isinstance(to_no_route_error(request(path="/v1/unknown")), NotFound)
    assert isinstance(to_no_route_error(other), MethodNotAllowed)
    assert to_error_answer(to_no_route_error(other), other).headers == {"Allow": "POST, OPTIONS"}


def test_an_answer_shows_nothing_that_is_none() -> None:
    usage = Usage(input_tokens=1, output_tokens=2, inference_time_tokens=3, total_tokens=6)
    answer = to_ok(ClassificationResponse(log_id="l", predictions=["ä", None], _usage=usage))

    assert json.loads(answer.body) == {
        "success": True,
        "log_id": "l",
        "predictions": ["ä", None],
        "_usage": {"input_tokens": 1, "output_tokens": 2, "inference_time_tokens": 3, "total_tokens": 6},
    }


def test_an_answer_that_lambda_could_not_carry_is_refused() -> None:
    usage = Usage(input_tokens=1, output_tokens=2, inference_time_tokens=3, total_tokens=6)

    with pytest.raises(TooLarge, match="key"):
        to_ok(ClassificationResponse(log_id="l", predictions=["x" * 1_000_000] * 6, _usage=usage))


def test_every_answer_may_be_read_by_a_page_of_any_origin() -> None:
    headers = common_headers(request(), RATE)

    assert headers["Access-Control-Allow-Origin"] == "*"
    for name in ("Retry-After", *RATE.to_headers()):
        assert name in headers["Access-Control-Expose-Headers"].split(", ")


def test_a_preflight_allows_the_headers_that_clients_send() -> None:
    headers = common_headers(request(method="OPTIONS"), RATE)

    assert headers["Access-Control-Allow-Methods"] == "POST, OPTIONS"
    allowed = headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"x-api-key", "content-type", "x-jigsaw-skip-cache", "x-jigsaw-no-request-log"} <= set(allowed)
