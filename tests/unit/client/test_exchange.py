"""Temporary failures are retried, others are raised as what they are."""

from __future__ import annotations

import httpx
import pytest

from pigeonhole.client import ApiError, Client, ConnectionFailed, RetryPolicy, UnexpectedAnswer
from pigeonhole.client.flow import HttpRequest, HttpResponse, Lost
from support.client_api import KEY, URL, Call, FakeApi, classify_by_value, fail, respond, upload_answer

LABELS = ["billing", "bug"]
POLICY = RetryPolicy(attempts=4, min_pause_s=1, max_pause_s=10)
GET, DELETE = HttpRequest("GET", "/v1/x"), HttpRequest("DELETE", "/v1/x", is_repeatable=False)


def answered(status: int, **headers: str) -> HttpResponse:
    return HttpResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"")


def lost(*, was_sent: bool) -> Lost:
    return Lost(ConnectionFailed("no answer"), was_sent=was_sent)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_temporary_failure_is_retried(api: FakeApi, call: Call, status: int) -> None:
    first = [fail("overloaded", status), httpx.ConnectError("refused"), httpx.ReadTimeout("slow")]

    def answer(request: httpx.Request) -> httpx.Response:
        if not first:
            return classify_by_value(request)
        given = first.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    api.answer = answer

    assert call("classify_texts", ["a"], LABELS).labels == ["a"]
    assert len(api.requests) == 4


def test_the_error_of_the_last_attempt_is_raised(api: FakeApi, call: Call) -> None:
    api.answer = lambda request: fail("overloaded", 503)

    with pytest.raises(ApiError, match="It is overloaded"):
        call("get_account")

    assert len(api.requests) == 4


def test_an_error_of_the_request_is_not_retried(api: FakeApi, call: Call) -> None:
    api.answer = lambda request: fail("not_found", 404)

    with pytest.raises(ApiError) as caught:
        call("get_label_set", "topics")

    assert caught.value.code == "not_found"
    assert len(api.requests) == 1


def test_a_request_that_must_not_be_repeated_is_sent_once(api: FakeApi, call: Call) -> None:
    api.answer = lambda request: fail("internal_error", 500)

    with pytest.raises(ApiError):
        call("delete_label_set", "topics")

    assert len(api.requests) == 1


def test_an_api_that_cannot_be_reached_is_a_connection_that_failed(api: FakeApi, call: Call) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Connection refused", request=request)

    api.answer = refuse

    with pytest.raises(ConnectionFailed, match=r"https://api\.example can't be reached \(Connection refused\)"):
        call("list_models")


@pytest.mark.parametrize(("is_upload", "waited"), [(False, "35 s"), (True, "120 s")], ids=["request", "upload"])
def test_the_error_says_how_long_the_answer_was_waited_for(api: FakeApi, call: Call, is_upload: bool, waited: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if is_upload and request.url.path.endswith("/v1/uploads"):
            return respond(upload_answer())
        raise httpx.ReadTimeout("slow", request=request)

    api.answer = answer

    with pytest.raises(ConnectionFailed, match=f"There was no answer in {waited}"):
        call("classify_images", [b"x" * (4_000_000 if is_upload else 1)], LABELS)


@pytest.mark.parametrize(("status", "text"), [(200, "<html>"), (404, "nginx"), (200, "{}")])
def test_an_answer_of_another_service_is_recognised(api: FakeApi, call: Call, status: int, text: str) -> None:
    api.answer = lambda request: httpx.Response(status, text=text)

    with pytest.raises(UnexpectedAnswer, match="whole address"):
        call("get_account")


@pytest.mark.parametrize(
    ("request_", "outcome", "is_retried"),
    [
        (GET, answered(503), True),
        (GET, answered(404), False),
        (GET, answered(200), False),
        (GET, lost(was_sent=True), True),
        (DELETE, answered(503), False),
        (DELETE, answered(429), True),
        (DELETE, lost(was_sent=True), False),
        (DELETE, lost(was_sent=False), True),
    ],
)
def test_what_is_retried(request_: HttpRequest, outcome: HttpResponse | Lost, is_retried: bool) -> None:
    assert (POLICY.pause_s(1, request_, outcome) is not None) == is_retried


def test_pauses_double_and_end() -> None:
    pauses = [POLICY.pause_s(attempts, GET, answered(503)) for attempts in (1, 2, 3, 4)]

    assert pauses[3] is None
    assert all(pause is not None and least <= pause <= 1.25 * least for pause, least in zip(pauses, (1, 2, 4), strict=False))


def test_pauses_grow_to_the_longest_one() -> None:
    policy = RetryPolicy(attempts=12)

    pauses = [policy.pause_s(attempts, GET, answered(503)) for attempts in range(1, 13)]

    assert pauses[11] is None
    assert all(pause is not None and 30 <= pause <= 37.5 for pause in pauses[6:11])


def test_retry_after_is_waited_for_unless_it_is_long() -> None:
    short, long = (POLICY.pause_s(1, GET, answered(429, retry_after=seconds)) for seconds in ("5", "3600"))

    assert short is not None
    assert 5 <= short <= 6.25
    assert long is None


def test_the_error_says_when_to_come_back(api: FakeApi, call: Call) -> None:
    api.answer = lambda request: fail("rate_limited", 429, retry_after="3600")

    with pytest.raises(ApiError) as caught:
        call("get_account")

    assert caught.value.retry_after_s == 3_600
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("url", "key", "message"),
    [("api.example", KEY, "must begin with https://"), (URL, "", "an API key must"), (URL, "käse", "an API key must")],
)
def test_an_impossible_address_or_key_is_refused(url: str, key: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Client(url, key)


def test_the_key_is_in_no_repr() -> None:
    with Client(f" {URL}/ ", KEY) as client:
        assert repr(client) == f"Client({URL!r})"
        assert KEY not in repr(client._runner)


def test_the_environment_names_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JIGSAWSTACK_API_URL", URL)
    monkeypatch.setenv("JIGSAWSTACK_API_KEY", KEY)

    with Client.from_environment() as client:
        assert repr(client) == f"Client({URL!r})"

    monkeypatch.delenv("JIGSAWSTACK_API_KEY")
    with pytest.raises(Exception, match="Set JIGSAWSTACK_API_KEY"):
        Client.from_environment()
