"""The HTTP client: which requests it retries after which pauses, and how it explains errors."""

from __future__ import annotations

import socket
from typing import Any

import httpx
import pytest

from pigeonhole_cli.http_client import ApiError
from support.cli.api_server import Answer, error_body
from support.cli.job_api import ID, JobApi, ScriptedJobs, job_answer

BUSY = error_body("overloaded", "Busy.")
SUCCESS = (200, job_answer())


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_temporary_failures_are_retried_after_growing_pauses(status: int) -> None:
    script = ScriptedJobs((status, BUSY), (status, BUSY), (status, BUSY), SUCCESS)

    assert script.jobs.get(ID).body.job.id == ID
    assert script.pauses == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_failure_that_lasts_is_reported_after_four_attempts(status: int) -> None:
    script = ScriptedJobs(*[(status, BUSY)] * 5)

    with pytest.raises(ApiError, match=r"Busy\. \(overloaded, log_id log-1\)"):
        script.jobs.get(ID)
    assert script.request_count == 4


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_permanent_failures_are_not_retried(status: int) -> None:
    script = ScriptedJobs((status, error_body("forbidden", "No.")), SUCCESS)

    with pytest.raises(ApiError):
        script.jobs.get(ID)
    assert (script.request_count, script.pauses) == (1, [])


def test_retry_after_sets_a_longer_pause() -> None:
    script = ScriptedJobs((429, BUSY, {"Retry-After": "7"}), (503, BUSY, {"Retry-After": "0"}), SUCCESS)

    script.jobs.get(ID)

    assert script.pauses == [7.0, 1.0]


@pytest.mark.parametrize("value", ["soon", "-5", "٣", "Wed, 21 Oct 2026 07:28:00 GMT", ""])
def test_a_retry_after_that_is_no_number_of_seconds_is_ignored(value: str) -> None:
    script = ScriptedJobs((429, BUSY, {"Retry-After": value.encode()}), SUCCESS)

    script.jobs.get(ID)

    assert script.pauses == [0.5]


def test_a_retry_after_that_is_too_long_is_reported_and_not_waited_for() -> None:
    quota = error_body("rate_limited", "The quota of this key is used up.")
    script = ScriptedJobs((429, quota, {"Retry-After": "3600"}), SUCCESS)

    with pytest.raises(ApiError, match=r"used up\. .* 3600 s\. \(rate_limited"):
        script.jobs.get(ID)
    assert (script.request_count, script.pauses) == (1, [])


def test_a_connection_that_breaks_during_a_long_poll_is_opened_again() -> None:
    processing = (200, job_answer("processing"))
    script = ScriptedJobs(processing, httpx.ConnectError("refused"), httpx.ReadError("reset"), SUCCESS)

    script.jobs.get(ID)
    assert script.jobs.get(ID, 20).body.job.status == "succeeded"


def test_an_address_that_never_answered_is_not_retried() -> None:
    script = ScriptedJobs(httpx.ConnectError("Connection refused"), SUCCESS)

    with pytest.raises(ApiError, match=r"https://api\.example can't be reached \(Connection refused\)") as raised:
        script.jobs.submit(b"{}", "key")
    assert script.request_count == 1
    assert not raised.value.may_be_done


def test_a_request_that_timed_out_may_have_been_carried_out() -> None:
    script = ScriptedJobs(*[httpx.ReadTimeout("timed out")] * 4)

    with pytest.raises(ApiError, match="did not answer in 35 s") as raised:
        script.jobs.submit(b"{}", "key")
    assert raised.value.may_be_done


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"success": True}),
        (200, ["a"]),
        (200, job_answer() | {"job": {"id": ID}}),
        (404, {"message": "Not Found"}),
        (301, {}),
    ],
)
def test_an_answer_that_is_not_pigeonholes_is_reported(answer: Any) -> None:
    with pytest.raises(ApiError, match=r"https://api\.example does not answer like Pigeonhole"):
        ScriptedJobs(answer).jobs.get(ID)


def test_an_answer_that_is_not_json_is_reported(api: JobApi) -> None:
    api.prepare(Answer("<html>", 403))

    stderr = api.run("list", exit_code=1).stderr

    assert stderr.startswith(f"error: {api.url} does not answer like Pigeonhole (HTTP 403, no JSON)")
    assert stderr.count("\n") == 1


def test_a_wrong_api_key_is_reported_with_how_to_get_a_valid_one(api: JobApi) -> None:
    api.prepare(Answer(error_body("invalid_api_key", "Not a valid key."), 401))

    stderr = api.run("list", exit_code=1).stderr

    assert stderr.startswith("error: Not a valid key. ")
    assert "JIGSAWSTACK_API_KEY" in stderr
    assert "`pigeonhole keys create`" in stderr
    assert stderr.count("\n") == 1


def test_an_address_where_no_server_runs_is_reported_without_its_password(api: JobApi) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        free = f"http://user:password@127.0.0.1:{reserved.getsockname()[1]}"

    stderr = api.run("list", "--url", free, exit_code=1).stderr

    assert "can't be reached" in stderr
    assert "Connection refused" in stderr
    assert "password" not in stderr
    assert stderr.count("\n") == 1


@pytest.mark.parametrize("url", ["http://a:b:c", "http://[", "http://exa mple\x01"])
def test_an_address_that_cannot_be_parsed_is_reported(api: JobApi, url: str) -> None:
    assert api.run("list", "--url", url, exit_code=1).stderr.startswith("error: ")


def test_this_machine_is_reached_without_the_environments_proxy(api: JobApi) -> None:
    api.prepare({"success": True, "log_id": "l", "jobs": []})

    api.run("list", HTTP_PROXY="http://127.0.0.1:1", http_proxy="http://127.0.0.1:1", ALL_PROXY="http://127.0.0.1:1")

    assert len(api.requests) == 1


def test_a_refusal_is_reported_with_each_fault_at_its_path(api: JobApi) -> None:
    faults = ("labels.0.value", "must not be empty"), ("dataset.1", "must be an object")
    message = "labels.0.value: must not be empty (and 1 more)"
    api.prepare(Answer(error_body("invalid_request", message, *faults), 400))

    stderr = api.run("submit", "--body", "-", input="{}", exit_code=1).stderr

    assert stderr == (f"error: {message}\n  labels.0.value: must not be empty\n  dataset.1: must be an object\n")
    assert len(api.requests) == 1, "a fault of the request is permanent"


def test_a_single_fault_is_reported_once(api: JobApi) -> None:
    message = "labels: at least 2 distinct labels are needed, got 1"
    api.prepare(Answer(error_body("invalid_request", message, ("labels", message.removeprefix("labels: "))), 400))

    assert api.run("submit", "--body", "-", input="{}", exit_code=1).stderr == f"error: {message}\n"
