"""Errors, headers and the list of models have the shape of the client that asks."""

from __future__ import annotations

import json

import pytest

from pigeonhole.api.decisions.dialects import client_headers, find_client, to_error_answer
from pigeonhole.api.http_request import HttpRequest
from pigeonhole.api.rate_headers import RateState
from pigeonhole.contract.validation import invalid_request, locate
from pigeonhole.errors import BY_CODE, Fault, InvalidRequest, Overloaded, from_code

RATE = RateState(limit=10, remaining=3, reset_ms=61_500, is_counted=True)
VALUE_FAULTS = {"invalid_request", "unreadable_image", "unsupported_media", "unfetchable_url", "forbidden_url"}


def request(path: str, **headers: str) -> HttpRequest:
    return HttpRequest("POST", path, {name.replace("_", "-"): value for name, value in headers.items()}, {}, "log-1")


@pytest.mark.parametrize(
    ("path", "headers", "client"),
    [
        ("/v1/decisions", {}, "openai"),
        ("/v1/systemone", {}, "typesafe"),
        ("/v1/models", {}, None),
        ("/v1/models", {"user_agent": "OpenAI/Python 3.57.0"}, "openai"),
        ("/v1/models", {"user_agent": "AsyncOpenAI/Python 3.57.0"}, "openai"),
        ("/v1/models", {"user_agent": "typesafe-sdk/0.7.5"}, "typesafe"),
        ("/v1/models", {"user_agent": "mine", "x_typesafe_sdk": "typesafe-sdk/0.7.5"}, "typesafe"),
        ("/v1/models", {"user_agent": "python-requests/2.32"}, None),
        ("/v1/classification", {"user_agent": "OpenAI/Python 3.57.0"}, None),
    ],
)
def test_a_client_is_known_by_the_path_or_by_its_headers(path: str, headers: dict[str, str], client: str | None) -> None:
    assert find_client(request(path, **headers)) == client


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_openai_gets_each_error_in_its_shape(code: str) -> None:
    error = from_code(code, "what is wrong")
    answer = to_error_answer(error, request("/v1/decisions"))

    shape = json.loads(answer.body)["error"]
    assert answer.status == BY_CODE[code].status
    assert (shape["message"], shape["code"], shape["param"]) == (error.message, code, None)
    assert shape["type"].endswith("_error")
    assert shape["type"] == "server_error" or answer.status < 500


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_typesafe_gets_faults_of_values_as_422_and_other_errors_as_a_message(code: str) -> None:
    error = from_code(code, "what is wrong")
    answer = to_error_answer(error, request("/v1/systemone"))

    detail = json.loads(answer.body)["detail"]
    if code in VALUE_FAULTS:
        assert (answer.status, detail) == (422, [{"loc": ["body"], "msg": error.message, "type": "value_error"}])
    else:
        assert (answer.status, detail) == (BY_CODE[code].status, error.message)


def test_the_place_of_a_fault_is_written_as_each_client_writes_it() -> None:
    faults = (locate(("questions", 3, "choices", 1), "is odd", "odd"), locate(("state",), "is required", "missing"))
    error = invalid_request(faults)

    assert json.loads(to_error_answer(error, request("/v1/decisions")).body)["error"]["param"] == "questions[3].choices[1]"
    assert json.loads(to_error_answer(error, request("/v1/systemone")).body)["detail"] == [
        {"loc": ["body", "questions", 3, "choices", 1], "msg": "is odd", "type": "odd"},
        {"loc": ["body", "state"], "msg": "is required", "type": "missing"},
    ]


def test_a_fault_of_a_header_has_its_name_as_its_place() -> None:
    error = InvalidRequest("x: odd", (Fault("x", "odd"),))

    assert json.loads(to_error_answer(error, request("/v1/systemone")).body)["detail"][0]["loc"] == ["body", "x"]


@pytest.mark.parametrize("path", ["/v1/decisions", "/v1/systemone"])
def test_when_to_retry_is_said_in_a_header_that_both_clients_read(path: str) -> None:
    assert to_error_answer(Overloaded(), request(path)).headers == {"Retry-After": "2"}


@pytest.mark.parametrize("path", ["/v1/decisions", "/v1/systemone"])
def test_a_caller_may_prefer_the_shape_of_rfc_9457(path: str) -> None:
    assert to_error_answer(Overloaded(), request(path, accept="application/problem+json")).content_type.startswith(
        "application/problem"
    )


def test_each_client_reads_the_id_of_its_request() -> None:
    assert client_headers(request("/v1/systemone"), RATE, 0) == {"x-typesafe-request-id": "log-1"}
    assert client_headers(request("/v1/classification"), RATE, 0) == {}
    assert client_headers(request("/v1/decisions"), RATE, 60) == {
        "x-request-id": "log-1",
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "3",
        "x-ratelimit-reset-requests": "2s",
    }
