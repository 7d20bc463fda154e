"""`pigeonhole jobs wait` and `status`: what they print of a job, how it goes on, and with which exit code they end."""

from __future__ import annotations

import json
import os
import pty
import signal
from typing import Any

import pytest

from pigeonhole_cli.jobs.wait import wait_for
from support.cli.api_server import KEY, Answer, refusal, seen_on
from support.cli.job_api import ID, JobApi, Way, told

ERRORS = [{"index": 1, "code": "unreadable_image", "message": "cut off"}]


def test_a_job_is_waited_for_by_long_polls(api: JobApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pigeonhole_cli.jobs.wait.SHORTEST_S", 0)
    api.says(told("queued"), told("processing"), told(predictions=["cat", ["dog", "pet"]]))

    result = api.run("wait", ID)

    assert [request.path.removeprefix("/prod/v1/classification/jobs") for request in api.requests] == [
        f"/{ID}",
        f"/{ID}?wait=20",
        f"/{ID}?wait=20",
    ]
    assert result.stdout == "0\tcat\n1\tdog,pet\n"
    assert result.stderr == f"Job {ID} succeeded: 2 of 2 samples done.\n", "no bar where nobody looks"


def test_something_that_does_not_wait_is_not_asked_without_pause() -> None:
    way = Way(*[(200, told("queued"))] * 3, (200, told(predictions=["cat", "dog"])))

    assert wait_for(way.api, ID).answer.predictions == ["cat", "dog"]
    assert way.pauses == [1.0, 1.0]


ENDS = [
    (told(predictions=["cat", "dog"]), "0\tcat\n1\tdog\n", 0),
    (told(predictions=["cat", None], succeeded=1, failed=1, errors=ERRORS), "0\tcat\n1\t\tunreadable_image: cut off\n", 4),
    (told("failed", predictions=[None, None], succeeded=0, failed=2, errors=ERRORS), None, 3),
    (told("canceled", succeeded=1), "", 3),
]


@pytest.mark.parametrize(("answer", "printed", "code"), ENDS)
def test_each_end_has_its_exit_code(api: JobApi, answer: dict[str, Any], printed: str | None, code: int) -> None:
    api.says(answer)

    result = api.run("wait", ID, exit_code=code)

    assert printed in (None, result.stdout)
    assert "succeeded:" in result.stderr or "failed:" in result.stderr or "was canceled:" in result.stderr


@pytest.mark.parametrize(("answer", "printed", "code"), ENDS)
def test_a_look_ends_as_waiting_does(api: JobApi, answer: dict[str, Any], printed: str | None, code: int) -> None:
    api.says(answer)

    assert f"status      {answer['job']['status']}\n" in api.run("status", ID, exit_code=code).stdout


def test_a_look_does_not_wait_and_shows_how_far_a_job_is(api: JobApi) -> None:
    api.says(told("processing", total=10, succeeded=3, failed=1))

    assert api.run("status", ID).stdout == (
        f"job         {ID}\n"
        "status      processing\n"
        "samples     10: 3 with a result, 1 with an error\n"
        "created     2026-05-04 10:20 UTC\n"
        "started     -\n"
        "finished    -\n"
        "kept until  2026-05-11 10:20 UTC\n"
    )
    assert [request.path for request in api.requests] == [f"/prod/v1/classification/jobs/{ID}"]


@pytest.mark.parametrize("command", ["wait", "status"])
def test_json_prints_the_whole_answer(api: JobApi, command: str) -> None:
    answer = told(predictions=["größer", "dog"], scores=[None, None]) | {"something": "new"}
    api.says(answer)

    assert json.loads(api.run(command, ID, "--json").stdout) == answer


@pytest.mark.parametrize("as_json", [False, True])
def test_results_of_a_large_job_are_fetched_without_the_key(api: JobApi, as_json: bool) -> None:
    whole = told(predictions=["cat"] * 3_000, total=3_000, succeeded=3_000)
    api.says(told(results_url=f"{api.url}/bucket/results.json?signature=x"), whole)

    stdout = api.run("wait", ID, *(["--json"] if as_json else [])).stdout

    assert api.requests[1].path == "/bucket/results.json?signature=x"
    assert KEY not in str(api.requests[1].headers)
    if as_json:
        assert json.loads(stdout) == whole
    else:
        assert stdout.splitlines() == [f"{number}\tcat" for number in range(3_000)]


def test_results_that_cannot_be_fetched_are_told(api: JobApi) -> None:
    api.says(told(results_url=f"{api.url}/bucket/results.json?signature=x"), Answer("<Error/>", 403))

    stderr = api.run("wait", ID, exit_code=1).stderr

    assert "error: The results can't be fetched (HTTP 403)." in stderr
    assert "signature" not in stderr


def test_what_would_break_a_line_or_steer_a_terminal_is_written_out(api: JobApi) -> None:
    api.says(told(predictions=["tab\there\nnew line", "\x1b[31mred"], warnings=["a\rb"]))

    result = api.run("wait", ID)

    assert result.stdout == "0\ttab\\there\\nnew line\n1\t\\x1b[31mred\n"
    assert result.stderr.startswith("warning: a\\rb\n")


def test_a_bar_lives_where_somebody_looks_and_goes_at_the_end(api: JobApi) -> None:
    half = told("processing", total=4, succeeded=1, failed=1)
    api.says(half, half, told(predictions=list("abcd"), total=4, succeeded=4))
    ours, theirs = pty.openpty()

    process = api.start("wait", ID, stderr=theirs)
    os.close(theirs)
    stdout, _ = process.communicate(timeout=60)
    seen = seen_on(ours)

    assert process.returncode == 0
    assert stdout == b"0\ta\n1\tb\n2\tc\n3\td\n", "the bar is on standard error alone"
    assert "processing" in seen
    assert "2/4" in seen
    assert "1 with an error" in seen
    assert api.requests[1].path.endswith("?wait=2"), "what is looked at moves"
    assert "\x1b[2K" in seen.rsplit("4/4", 1)[1], "its line is cleared"


def test_an_interrupt_leaves_the_job_alone_and_tells_how_to_go_on(api: JobApi) -> None:
    api.says(told("processing"), Answer(None))

    process = api.start("wait", ID)
    for _ in range(2):
        api.wait_for_request()
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)

    assert (process.returncode, stdout) == (130, b"")
    assert stderr.decode() == (
        f"Interrupted; the job goes on.\n  Wait again:  pigeonhole jobs wait {ID}\n  Cancel it:   pigeonhole jobs cancel {ID}\n"
    )
    assert {request.method for request in api.requests} == {"GET"}


def test_an_interrupt_before_a_job_is_known_tells_how_to_find_it(api: JobApi) -> None:
    api.says(Answer(None))

    process = api.start("submit", "https://example.com/a.jpg", "--label", "a", "--label", "b")
    api.wait_for_request()
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)

    assert (process.returncode, stdout) == (130, b"")
    assert f"--idempotency-key {api.requests[0].headers['idempotency-key']}" in stderr.decode()


@pytest.mark.parametrize("command", ["wait", "status", "cancel"])
@pytest.mark.parametrize("job_id", ["nonsense", ID.upper(), f"../{ID}"])
def test_what_is_no_id_is_not_asked_for(api: JobApi, command: str, job_id: str) -> None:
    assert "is no job's id" in api.run(command, job_id, exit_code=2).stderr
    assert api.requests == []


@pytest.mark.parametrize("command", ["wait", "status", "cancel"])
def test_a_job_that_is_not_there_is_told(api: JobApi, command: str) -> None:
    api.says(Answer(refusal("not_found", "There is no such job."), 404))

    assert api.run(command, ID, exit_code=1).stderr == "error: There is no such job.\n"


@pytest.mark.parametrize(
    ("webhook", "said"),
    [
        ({"status": "pending", "attempts": []}, "webhook     pending"),
        (
            {"status": "delivered", "attempts": [{"at": "2026-05-04T10:21:00Z", "status": 204}]},
            "webhook     delivered, try 1 at 2026-05-04 10:21 UTC: HTTP 204",
        ),
        (
            {"status": "pending", "attempts": [{"at": "2026-05-04T10:21:00Z"}], "next_at": "2026-05-04T10:22:00Z"},
            "webhook     pending, try 1 at 2026-05-04 10:21 UTC: under way; tried again at 2026-05-04 10:22 UTC",
        ),
        (
            {
                "status": "pending",
                "attempts": [{"at": "2026-05-04T10:21:00Z", "error": "no\nconnection"}],
                "next_at": "2026-05-04T10:22:00Z",
            },
            r"webhook     pending, try 1 at 2026-05-04 10:21 UTC: no\nconnection; tried again at 2026-05-04 10:22 UTC",
        ),
    ],
)
def test_status_says_how_the_webhook_goes(api: JobApi, webhook: dict[str, Any], said: str) -> None:
    answer = told()
    answer["job"]["webhook"] = {"url": "https://acme.example.com/hook", **webhook}
    api.says(answer)

    assert api.run("status", ID).stdout.splitlines()[-1] == said


def test_status_says_which_label_set_a_job_has(api: JobApi) -> None:
    answer = told()
    answer["job"]["label_set"] = {"name": "pets", "version": 3}
    api.says(answer)

    assert api.run("status", ID).stdout.splitlines()[-1] == "label set   pets version 3"
