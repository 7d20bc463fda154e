"""An API Gateway event becomes a request, whose parameters, headers and body are checked."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from pigeonhole.api.http_answers import preference_headers
from pigeonhole.api.http_request import HttpRequest
from pigeonhole.contract.jobs import Preference
from pigeonhole.errors import InvalidRequest, TooLarge, UnsupportedEncoding


def request(**event: Any) -> HttpRequest:
    base = {"httpMethod": "POST", "path": "/v1/classification", "headers": {}, "requestContext": {"requestId": "log-1"}}
    return HttpRequest.from_event(base | event)


@pytest.mark.parametrize(
    "path", ["/v1/classification", "//v1/classification", "/v1//classification///", "v1/classification", "/v1/classification/"]
)
def test_repeated_and_trailing_slashes_change_nothing(path: str) -> None:
    assert request(path=path).path == "/v1/classification"


def test_the_root_stays_the_root() -> None:
    assert (request(path="/").path, request(path="").path) == ("/", "/")


@pytest.mark.parametrize("name", ["x-api-key", "X-Api-Key", "X-API-KEY"])
def test_the_header_of_the_api_key_may_be_in_any_case(name: str) -> None:
    assert request(headers={name: "k"}).api_key == "k"


def test_a_request_without_headers_or_a_query_has_none() -> None:
    bare = request(headers=None, queryStringParameters=None)

    assert (bare.api_key, bare.accepts_problem_json, bare.parse_flag("deep")) == (None, False, False)


def test_the_lines_of_a_header_that_was_sent_several_times_are_one_list() -> None:
    lines = {
        "Prefer": ["respond-async", "wait=5"],
        "If-Match": ['"a"', '"b"'],
        "accept": ["application/json"],
        "Accept": ["application/problem+json"],
    }
    several = request(headers={name: values[-1] for name, values in lines.items()}, multiValueHeaders=lines)

    assert several.parse_preference(24) == Preference(respond_async=True, wait_s=5)
    assert several.parse_precondition().match == {'"a"', '"b"'}
    assert several.accepts_problem_json


@pytest.mark.parametrize(
    ("prefer", "waits"),
    [
        ("wait=600", "wait=24"),
        ("wait=99999999999", "wait=24"),
        ("wait=24", "wait=24"),
        ("wait=5", "wait=5"),
        ("wait=0", "wait=0"),
    ],
)
def test_a_wait_is_applied_up_to_the_longest_one(prefer: str, waits: str) -> None:
    wanted = request(headers={"Prefer": f"respond-async, {prefer}"}).parse_preference(24)

    assert preference_headers(wanted) == {"Preference-Applied": f"respond-async, {waits}"}


def test_a_body_is_json_whatever_its_content_type() -> None:
    sent = {"a": "ä🐦"}

    assert request(body=json.dumps(sent), headers={"Content-Type": "text/plain"}).parse_json(100) == sent
    assert request(body="\ufeff" + json.dumps(sent)).parse_json(100) == sent
    assert request(body=base64.b64encode(json.dumps(sent).encode()).decode(), isBase64Encoded=True).parse_json(100) == sent


@pytest.mark.parametrize(
    "body", ["", None, "{", "a=1", '{"a": NaN}', '{"a": -Infinity}', "[" * 100_000, '{"a": ' + "9" * 5_000 + "}"]
)
def test_a_body_that_is_not_json_is_refused(body: str | None) -> None:
    with pytest.raises(InvalidRequest, match="JSON"):
        request(body=body).parse_json(1_000_000)


def test_the_message_says_where_the_json_is_broken() -> None:
    with pytest.raises(InvalidRequest, match="line 2, column 1"):
        request(body='{"a": 1,\n}').parse_json(100)


@pytest.mark.parametrize("body", ["***", "abc"])
def test_a_body_that_claims_to_be_base64_must_be(body: str) -> None:
    with pytest.raises(InvalidRequest, match="base64"):
        request(body=body, isBase64Encoded=True).parse_json(100)


def test_bytes_that_are_no_utf_8_are_refused() -> None:
    for event in ({"body": base64.b64encode(b'"\xff"').decode(), "isBase64Encoded": True}, {"body": "\udcff"}):
        with pytest.raises(UnsupportedEncoding, match="UTF-8"):
            request(**event).parse_json(100)


@pytest.mark.parametrize("header", ["Content-Encoding", "content-encoding"])
def test_a_compressed_body_is_decompressed(header: str) -> None:
    body = base64.b64encode(gzip.compress(b'{"a": "\xc3\xa4"}')).decode()

    assert request(body=body, isBase64Encoded=True, headers={header: "gzip"}).parse_json(100) == {"a": "ä"}


def test_an_idempotency_key_stands_for_the_body_however_it_is_compressed() -> None:
    plain = request(body="{}", headers={"Idempotency-Key": "k"}).parse_idempotency_key(100)
    packed = [
        request(
            body=base64.b64encode(gzip.compress(b"{}", mtime=mtime)).decode(),
            isBase64Encoded=True,
            headers={"Idempotency-Key": "k", "Content-Encoding": "gzip"},
        ).parse_idempotency_key(100)
        for mtime in (1, 2)
    ]

    assert packed == [plain, plain]


def test_the_limit_of_a_body_is_in_bytes_after_decoding() -> None:
    assert request(body='"éé"').parse_json(6) == "éé"
    assert request(body=base64.b64encode(b'"abcd"').decode(), isBase64Encoded=True).parse_json(6) == "abcd"
    with pytest.raises(TooLarge, match="at most 6 bytes, got 7"):
        request(body='"ééx"').parse_json(6)


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
def test_a_caller_gets_a_problem_only_if_it_accepts_problem_json_by_name(accept: str, wanted: bool) -> None:
    assert request(headers={"accept": accept}).accepts_problem_json is wanted


@pytest.mark.parametrize(("query", "deep"), [({"deep": "true"}, True), ({"deep": "TRUE"}, True), ({"deep": "false"}, False)])
def test_a_flag_is_true_or_false(query: dict[str, str], deep: bool) -> None:
    assert request(queryStringParameters=query).parse_flag("deep") is deep


def test_another_flag_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="deep: must be true or false"):
        request(queryStringParameters={"deep": "1"}).parse_flag("deep")


@pytest.mark.parametrize(
    ("read", "path", "value"),
    [
        (lambda sent: sent.parse_flag("deep"), "deep", "1"),
        *((lambda sent: sent.parse_limit(), "limit", value) for value in ("0", "x", "101", "500", "-1", "", "٣")),
        *((lambda sent: sent.parse_wait_s(24.0), "wait", value) for value in ("x", "-1", "1.5", "")),
        (lambda sent: sent.parse_job_status(), "status", "done"),
        *((lambda sent: sent.parse_job_cursor(), "cursor", value) for value in ("x", "g" * 32)),
        (lambda sent: sent.parse_label_set_cursor(), "cursor", "X"),
        *((lambda sent: sent.parse_upload_results_query(), "since", value) for value in ("yesterday", "")),
        (lambda sent: sent.parse_upload_results_query(), "until", "1795718960"),
        (lambda sent: sent.parse_upload_results_query(), "cursor", "*"),
        (lambda sent: sent.parse_precondition(), "If-None-Match", '"a"'),
        (lambda sent: sent.parse_idempotency_key(1_000), "Idempotency-Key", "k" * 256),
    ],
)
def test_a_fault_of_a_parameter_or_a_header_is_among_the_details(
    read: Callable[[HttpRequest], object], path: str, value: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(request(queryStringParameters={path: value}, headers={path: value}))

    (fault,) = caught.value.details
    assert (fault.path, f"{fault.path}: {fault.message}") == (path, caught.value.message)


@pytest.mark.parametrize(("limit", "parsed"), [("1", 1), ("100", 100), (None, 20)])
def test_a_limit_is_from_1_to_100(limit: str | None, parsed: int) -> None:
    assert request(queryStringParameters={"limit": limit} if limit else None).parse_limit() == parsed


@pytest.mark.parametrize("wait", ["25", "600", "99999999999", "9" * 4_000])
def test_a_wait_above_the_longest_one_is_cut_to_it(wait: str) -> None:
    assert request(queryStringParameters={"wait": wait}).parse_wait_s(24.0) == 24


@pytest.mark.parametrize(
    "since",
    [
        "2026-11-30T00:00:00+01:00",
        "2026-11-30T00:00:00 01:00",
        "2026-11-30T00:00 0100",
        "2026-11-29T23:00:00Z",
        "2026-11-29 23:00",
    ],
)
def test_a_plus_that_was_not_escaped_is_understood(since: str) -> None:
    query = request(queryStringParameters={"since": since}).parse_upload_results_query()

    assert query.since == datetime(2026, 11, 29, 23, tzinfo=UTC).timestamp()


def test_parameters_that_do_not_exist_are_named_with_those_that_do() -> None:
    sent = request(queryStringParameters={"limt": "5", "limit": "5", "page": "2"})

    sent.check_query(["limt", "limit", "page"])
    with pytest.raises(InvalidRequest, match="use limit, cursor") as caught:
        sent.check_query(["limit", "cursor"])
    assert [fault.path for fault in caught.value.details] == ["limt", "page"]
    with pytest.raises(InvalidRequest, match="there are none"):
        sent.check_query([])


def test_an_idempotency_key_has_up_to_255_characters() -> None:
    key = request(body="{}", headers={"Idempotency-Key": "k" * 255}).parse_idempotency_key(1_000)

    assert key is not None
    assert (key.value, key.body) == ("k" * 255, b"{}")


def test_a_parameter_that_key_excludes_is_among_the_details() -> None:
    with pytest.raises(InvalidRequest, match="since: can't be combined with `key`") as caught:
        request(queryStringParameters={"key": "k", "since": "2026-11-27T08:00:00Z"}).parse_upload_results_query()

    assert [fault.path for fault in caught.value.details] == ["since"]


def test_a_body_does_not_show_when_a_request_is_printed() -> None:
    assert "secret" not in repr(request(body="secret"))
