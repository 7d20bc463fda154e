"""`pigeonhole jobs`: what each command sends and prints, and how it refuses wrong arguments."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from support.cli.api_server import API_KEY, Answer, error_body
from support.cli.job_api import ID, JobApi, job_answer, job_info

LABELS = ("--label", "cat", "--label", "dog")


def test_submit_prints_only_the_id_to_standard_output(api: JobApi, folder: Path) -> None:
    api.prepare(Answer(job_answer("queued"), 202))

    result = api.run("submit", "photos/a.jpg", *LABELS)

    assert result.stdout == f"{ID}\n"
    assert result.stderr == f"Its results: pigeonhole jobs wait {ID}\n"
    (request,) = api.requests
    assert (request.method, request.path) == ("POST", "/prod/v1/classification/jobs")
    assert request.headers["x-api-key"] == API_KEY


def test_submit_uses_a_random_idempotency_key_unless_one_is_given(api: JobApi, folder: Path) -> None:
    api.prepare(job_answer("queued"))
    for _ in range(2):
        api.run("submit", "photos", *LABELS)
    api.run("submit", "photos", *LABELS, "--idempotency-key", "monday")

    first, second, third = (request.headers["idempotency-key"] for request in api.requests)
    assert re.fullmatch(r"[0-9a-f-]{36}", first)
    assert first != second
    assert third == "monday"


def test_submit_retries_with_the_same_idempotency_key(api: JobApi, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pigeonhole_cli.http_client.MIN_PAUSE_S", 0.01)
    api.prepare(Answer(error_body("overloaded", "Busy."), 503), Answer("<html>", 502), job_answer("queued"))

    assert api.run("submit", "photos", *LABELS).stdout == f"{ID}\n"

    assert len({(request.headers["idempotency-key"], request.body) for request in api.requests}) == 1
    assert len(api.requests) == 3


def test_submit_says_how_to_find_a_job_that_may_have_been_created(
    api: JobApi, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pigeonhole_cli.http_client.MIN_PAUSE_S", 0.01)
    api.prepare(Answer(error_body("internal_error", "Something went wrong."), 500))

    result = api.run("submit", "photos", *LABELS, exit_code=1)

    assert "error: Something went wrong. (internal_error, log_id log-1)\n" in result.stderr
    assert f"--idempotency-key {api.requests[0].headers['idempotency-key']}" in result.stderr


def test_an_interrupted_submit_says_how_to_find_the_job(api: JobApi) -> None:
    api.prepare(Answer(None))

    process = api.start("submit", "https://example.com/a.jpg", "--label", "a", "--label", "b")
    api.wait_for_request()
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)

    assert (process.returncode, stdout) == (130, b"")
    assert f"--idempotency-key {api.requests[0].headers['idempotency-key']}" in stderr.decode()


def test_submit_prints_the_whole_answer_as_json(api: JobApi, folder: Path) -> None:
    answer = job_answer("queued") | {"something": "new"}
    api.prepare(answer)

    assert json.loads(api.run("submit", "photos", *LABELS, "--json").stdout) == answer


def test_submit_with_wait_prints_results_in_place_of_the_id(api: JobApi, folder: Path) -> None:
    api.prepare(job_answer("queued"), job_answer("processing"), job_answer(predictions=["cat", "dog"]))

    result = api.run("submit", "photos", *LABELS, "--wait")

    assert result.stdout == "0\tcat\n1\tdog\n"
    assert f"Job {ID} has 2 samples.\n" in result.stderr


def test_submit_with_wait_has_the_jobs_exit_code(api: JobApi, folder: Path) -> None:
    errors = [{"index": 0, "code": "unreadable_image", "message": "cut off"}]
    api.prepare(job_answer("queued"), job_answer(predictions=[None, "dog"], succeeded=1, failed=1, errors=errors))

    result = api.run("submit", "photos", *LABELS, "--wait", exit_code=4)

    assert result.stdout == "0\t\tunreadable_image: cut off\n1\tdog\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (LABELS, "in one way"),
        (("photos", "--texts", "-", *LABELS), "in one way"),
        (("photos", "--body", "-"), "in one way"),
        (("--texts", "-", "--body", "-"), "in one way"),
        (("--body", "-", "--label", "cat"), "--body is the whole request"),
        (("--body", "-", "--scores"), "--body is the whole request"),
        (("--body", "-", "--webhook-url", "https://example.com"), "--body is the whole request"),
        (("photos",), "at least two different labels"),
        (("photos", "--label", "cat", "--label", "cat"), "at least two different labels"),
        (("photos", *LABELS, "--idempotency-key", "a b"), "no spaces"),
    ],
)
def test_submit_with_wrong_arguments_sends_nothing(api: JobApi, folder: Path, arguments: tuple[str, ...], message: str) -> None:
    assert message in api.run("submit", *arguments, exit_code=2, input="x").stderr
    assert api.requests == []


@pytest.mark.parametrize("arguments", [("photos", *LABELS), ("--body", "-"), ("photos", "--label", "cat")])
def test_a_label_set_cannot_be_combined_with_labels_or_a_body(api: JobApi, folder: Path, arguments: tuple[str, ...]) -> None:
    api.run("submit", *arguments, "--label-set", "pets", input="{}", exit_code=2)

    assert api.requests == []


def test_status_returns_at_once_with_the_jobs_progress(api: JobApi) -> None:
    api.prepare(job_answer("processing", total=10, succeeded=3, failed=1))

    assert "samples     10: 3 with a result, 1 with an error\n" in api.run("status", ID).stdout
    assert [request.path for request in api.requests] == [f"/prod/v1/classification/jobs/{ID}"]


@pytest.mark.parametrize("command", ["wait", "status"])
def test_a_job_is_printed_whole_as_json(api: JobApi, command: str) -> None:
    answer = job_answer(predictions=["größer", "dog"], scores=[None, None]) | {"something": "new"}
    api.prepare(answer)

    assert json.loads(api.run(command, ID, "--json").stdout) == answer


@pytest.mark.parametrize("command", ["wait", "status", "cancel"])
@pytest.mark.parametrize("job_id", ["nonsense", ID.upper(), f"../{ID}"])
def test_an_invalid_job_id_is_not_sent(api: JobApi, command: str, job_id: str) -> None:
    assert "is no job's id" in api.run(command, job_id, exit_code=2).stderr
    assert api.requests == []


@pytest.mark.parametrize("command", ["wait", "status", "cancel"])
def test_a_job_that_does_not_exist_is_reported(api: JobApi, command: str) -> None:
    api.prepare(Answer(error_body("not_found", "There is no such job."), 404))

    assert api.run(command, ID, exit_code=1).stderr == "error: There is no such job.\n"


def page(*numbers: int, cursor: str | None = None) -> dict[str, Any]:
    """A page of jobs. Each job's number is its id and its number of samples."""
    jobs = [job_info(id=f"{number:032x}", total=number, succeeded=number - 1, failed=1) for number in numbers]
    return {"success": True, "log_id": "l", "jobs": jobs} | ({"cursor": cursor} if cursor else {})


def queries(api: JobApi) -> list[str]:
    return [request.path.partition("?")[2] for request in api.requests]


def test_list_prints_a_table(api: JobApi) -> None:
    api.prepare(page(12, 3))

    assert api.run("list").stdout == (
        "JOB                               STATUS     SAMPLES  DONE  ERRORS  CREATED\n"
        "0000000000000000000000000000000c  succeeded  12       12    1       2026-05-04 10:20 UTC\n"
        "00000000000000000000000000000003  succeeded  3        3     1       2026-05-04 10:20 UTC\n"
    )
    assert queries(api) == ["limit=20"]


def test_list_follows_cursors_up_to_the_limit(api: JobApi) -> None:
    first, second = page(*range(250, 150, -1), cursor="c1"), page(*range(150, 50, -1), cursor="c2")
    api.prepare(first, second, page(*range(50, 40, -1), cursor="c3"))

    jobs = json.loads(api.run("list", "--limit", "210", "--status", "failed", "--json").stdout)

    assert [job["progress"]["total"] for job in jobs] == list(range(250, 40, -1))
    assert queries(api) == [
        "limit=100&status=failed",
        "limit=100&status=failed&cursor=c1",
        "limit=10&status=failed&cursor=c2",
    ]


def test_list_ends_with_the_last_page(api: JobApi) -> None:
    api.prepare(page(2, cursor="c1"), page(1))

    assert len(api.run("list").stdout.splitlines()) == 3
    assert queries(api) == ["limit=20", "limit=19&cursor=c1"]


@pytest.mark.parametrize("arguments", [("--status", "done"), ("--limit", "0")])
def test_list_with_wrong_arguments_sends_nothing(api: JobApi, arguments: tuple[str, ...]) -> None:
    api.run("list", *arguments, exit_code=2)

    assert api.requests == []


@pytest.mark.parametrize("as_json", [False, True])
def test_cancel_prints_a_summary(api: JobApi, as_json: bool) -> None:
    answer = job_answer("canceled", total=10, succeeded=3, failed=1)
    api.prepare(answer)

    result = api.run("cancel", ID, *(["--json"] if as_json else []))

    assert result.stderr == f"Job {ID} was canceled: 4 of 10 samples done, 1 with an error.\n"
    assert (json.loads(result.stdout) == answer) if as_json else (result.stdout == "")
    (request,) = api.requests
    assert (request.method, request.path) == ("DELETE", f"/prod/v1/classification/jobs/{ID}")


def test_cancel_reports_a_job_that_has_ended(api: JobApi) -> None:
    api.prepare(Answer(error_body("job_finished", "The job has ended already: it is succeeded."), 409))

    assert api.run("cancel", ID, exit_code=1).stderr == "error: The job has ended already: it is succeeded.\n"
