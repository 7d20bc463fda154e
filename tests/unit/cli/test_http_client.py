"""The way to the API: what is asked again and when, and what is told where nothing helps."""

from __future__ import annotations

import socket
from typing import Any

import httpx
import pytest

from pigeonhole_cli.http_client import ApiError
from pigeonhole_cli.main import app
from support.cli.api_server import Answer, refusal
from support.cli.job_api import ID, JobApi, Way, told

BUSY = refusal("overloaded", "Busy.")
FINE = (200, told())


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_be_better_next_time_is_asked_again_after_longer_and_longer_pauses(status: int) -> None:
    way = Way((status, BUSY), (status, BUSY), (status, BUSY), FINE)

    assert way.api.read(ID).answer.job.id == ID
    assert way.pauses == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_patience_ends(status: int) -> None:
    way = Way(*[(status, BUSY)] * 5)

    with pytest.raises(ApiError, match=r"Busy\. \(overloaded, log_id log-1\)"):
        way.api.read(ID)
    assert way.sent == 4


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_what_will_be_no_better_is_asked_once(status: int) -> None:
    way = Way((status, refusal("forbidden", "No.")), FINE)

    with pytest.raises(ApiError):
        way.api.read(ID)
    assert (way.sent, way.pauses) == (1, [])


def test_the_pause_that_is_asked_for_is_kept() -> None:
    way = Way((429, BUSY, {"Retry-After": "7"}), (503, BUSY, {"Retry-After": "0"}), FINE)

    way.api.read(ID)

    assert way.pauses == [7.0, 1.0]


@pytest.mark.parametrize("value", ["soon", "-5", "٣", "Wed, 21 Oct 2026 07:28:00 GMT", ""])
def test_a_pause_that_cannot_be_read_is_as_good_as_none(value: str) -> None:
    way = Way((429, BUSY, {"Retry-After": value.encode()}), FINE)

    way.api.read(ID)

    assert way.pauses == [0.5]


def test_a_pause_that_is_too_long_is_told_instead_of_kept() -> None:
    way = Way((429, refusal("rate_limited", "The quota of this key is used up."), {"Retry-After": "3600"}), FINE)

    with pytest.raises(ApiError, match=r"used up\. It may be tried again in 3600 s\. \(rate_limited"):
        way.api.read(ID)
    assert (way.sent, way.pauses) == (1, [])


def test_a_connection_that_breaks_while_waiting_is_opened_again() -> None:
    way = Way((200, told("processing")), httpx.ConnectError("refused"), httpx.ReadError("reset"), FINE)

    way.api.read(ID)
    assert way.api.read(ID, 20).answer.job.status == "succeeded"


def test_who_was_never_there_is_not_called_again() -> None:
    way = Way(httpx.ConnectError("Connection refused"), FINE)

    with pytest.raises(
        ApiError, match=r"https://api\.example can't be reached \(Connection refused\)\. Is it the address"
    ) as told_:
        way.api.submit(b"{}", "key")
    assert way.sent == 1
    assert not told_.value.may_be_done


def test_who_does_not_answer_in_time_may_have_done_it() -> None:
    way = Way(*[httpx.ReadTimeout("timed out")] * 4)

    with pytest.raises(ApiError, match="did not answer in 35 s") as told_:
        way.api.submit(b"{}", "key")
    assert told_.value.may_be_done


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"success": True}),
        (200, ["a"]),
        (200, told() | {"job": {"id": ID}}),
        (404, {"message": "Not Found"}),
        (301, {}),
    ],
)
def test_something_else_at_the_address_is_told(answer: Any) -> None:
    with pytest.raises(ApiError, match=r"https://api\.example does not answer like Pigeonhole"):
        Way(answer).api.read(ID)


def test_what_is_no_json_is_told(api: JobApi) -> None:
    api.says(Answer("<html>", 403))

    stderr = api.run("list", exit_code=1).stderr

    assert stderr == (
        f"error: {api.url} does not answer like Pigeonhole (HTTP 403, no JSON). "
        "Is it the whole address of the API, stage included?\n"
    )


def test_a_wrong_key_is_told_with_the_way_to_a_right_one(api: JobApi) -> None:
    api.says(Answer(refusal("invalid_api_key", "Not a valid key."), 401))

    assert api.run("list", exit_code=1).stderr == (
        "error: Not a valid key. Give it as --key or JIGSAWSTACK_API_KEY; `pigeonhole keys create` makes one.\n"
    )


def test_nobody_at_the_address_is_told(api: JobApi) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = f"http://user:password@127.0.0.1:{taken.getsockname()[1]}"

    stderr = api.run("list", "--url", free, exit_code=1).stderr

    assert "can't be reached" in stderr
    assert "Connection refused" in stderr
    assert "password" not in stderr
    assert stderr.count("\n") == 1


@pytest.mark.parametrize("url", ["", "example.com", "ftp://example.com", "https://"])
def test_an_address_that_is_missing_or_none_is_told(api: JobApi, url: str) -> None:
    stderr = api.run("list", exit_code=2, JIGSAWSTACK_API_URL=url).stderr

    assert stderr == "error: where is the API? Set JIGSAWSTACK_API_URL, or give --url https://…\n"


@pytest.mark.parametrize("url", ["http://a:b:c", "http://[", "http://exa mple\x01"])
def test_an_address_that_cannot_be_read_is_told(api: JobApi, url: str) -> None:
    assert api.run("list", "--url", url, exit_code=1).stderr.startswith("error: ")


def test_a_missing_key_is_told(api: JobApi) -> None:
    stderr = api.run("list", exit_code=2, JIGSAWSTACK_API_KEY="").stderr

    assert stderr.startswith("error: an API key is needed. Set JIGSAWSTACK_API_KEY, or give --key;")
    assert api.requests == []


@pytest.mark.parametrize("secret", ["hidden\nvalue", "hidden value", "hiddenä", "hidden" * 50])
def test_what_no_key_holds_is_not_sent_nor_shown(api: JobApi, secret: str) -> None:
    result = api.run("list", exit_code=2, JIGSAWSTACK_API_KEY=secret)

    assert "hidden" not in result.output
    assert api.requests == []


def test_the_options_go_before_the_variables_and_spaces_around_a_key_are_none_of_it(api: JobApi) -> None:
    api.says({"success": True, "log_id": "l", "jobs": []})

    api.run("list", "--url", f"{api.url}/other", "--key", " mine\n", JIGSAWSTACK_API_URL="http://127.0.0.1:1")

    (request,) = api.requests
    assert (request.path, request.headers["x-api-key"]) == ("/other/v1/classification/jobs?limit=20", "mine")


def test_this_machine_is_reached_without_the_environments_proxy(api: JobApi) -> None:
    api.says({"success": True, "log_id": "l", "jobs": []})

    api.run("list", HTTP_PROXY="http://127.0.0.1:1", http_proxy="http://127.0.0.1:1", ALL_PROXY="http://127.0.0.1:1")

    assert len(api.requests) == 1


def test_help_does_not_show_the_key(api: JobApi) -> None:
    assert "JIGSAWSTACK_API_KEY" in api.run("wait", "--help").stdout


def test_a_faults_trace_shows_no_variables() -> None:
    """One of them may be a key, and earlier versions of Typer show them unless they are told not to."""
    assert app.pretty_exceptions_show_locals is False
