"""`pigeonhole bulk status` and `bulk cancel`."""

from __future__ import annotations

import json
import os
import pty
import signal

import pytest

from support.cli.api_server import Answer, error_body, read_terminal
from support.cli.bulk_api import BulkApi
from support.cli.job_api import ID, job_answer


def test_a_status_shows_the_progress(bulk_api: BulkApi) -> None:
    bulk_api.prepare(job_answer("processing", total=4, succeeded=1, failed=1))

    lines = bulk_api.run("status", ID).stdout.splitlines()

    assert "samples     4: 1 with a result, 1 with an error" in lines


def test_a_status_says_that_a_manifest_is_still_being_counted(bulk_api: BulkApi) -> None:
    bulk_api.prepare(job_answer("processing", total=0, succeeded=3, failed=0))

    assert "samples     not counted yet: 3 with a result, 0 with an error" in bulk_api.run("status", ID).stdout


@pytest.mark.parametrize(("status", "failed", "exit_code"), [("succeeded", 0, 0), ("succeeded", 1, 4), ("failed", 0, 3)])
def test_a_watched_job_ends_the_command_with_the_exit_code_of_jobs(
    bulk_api: BulkApi, monkeypatch: pytest.MonkeyPatch, status: str, failed: int, exit_code: int
) -> None:
    monkeypatch.setattr("pigeonhole_cli.jobs.wait.MIN_INTERVAL_S", 0)
    bulk_api.prepare(job_answer("queued"), job_answer(status, total=4, succeeded=4 - failed, failed=failed))

    result = bulk_api.run("status", ID, "--watch", exit_code=exit_code)

    assert f"status      {status}\n" in result.stdout
    assert [request.path.removeprefix("/prod/v1/classification/jobs/") for request in bulk_api.requests] == [
        ID,
        f"{ID}?wait=20",
    ]


def test_a_watched_job_has_a_bar_with_its_rate_and_the_time_left(bulk_api: BulkApi) -> None:
    steps = [job_answer("processing", total=4_000, succeeded=done) for done in (0, 1_000, 2_000)]
    bulk_api.prepare(*steps, job_answer(total=4_000, succeeded=4_000))
    reader, terminal = pty.openpty()

    process = bulk_api.start("status", ID, "--watch", stderr=terminal)
    os.close(terminal)
    stdout, _ = process.communicate(timeout=60)
    output = read_terminal(reader)

    assert process.returncode == 0
    assert b"succeeded" in stdout
    assert "1000/4000" in output
    assert "/s, " in output
    assert " left" in output


def test_an_interrupt_leaves_the_job_running_and_says_how_to_watch_it_again(bulk_api: BulkApi) -> None:
    bulk_api.prepare(job_answer("processing"), Answer(None))

    process = bulk_api.start("status", ID, "--watch")
    for _ in range(2):
        bulk_api.wait_for_request()
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)

    assert (process.returncode, stdout) == (130, b"")
    assert f"pigeonhole bulk status {ID} --watch\n" in stderr.decode()
    assert f"pigeonhole bulk cancel {ID}\n" in stderr.decode()


def test_a_job_is_canceled(bulk_api: BulkApi) -> None:
    bulk_api.prepare(job_answer("canceled", total=4, succeeded=1))

    result = bulk_api.run("cancel", ID, "--json")

    assert [(request.method, request.path) for request in bulk_api.requests] == [
        ("DELETE", f"/prod/v1/classification/jobs/{ID}")
    ]
    assert json.loads(result.stdout)["job"]["status"] == "canceled"
    assert f"Job {ID} was canceled: 1 of 4 samples done." in result.stderr


def test_a_job_that_has_ended_is_not_canceled(bulk_api: BulkApi) -> None:
    bulk_api.prepare(Answer(error_body("job_finished", "The job has ended."), status=409))

    assert "The job has ended." in bulk_api.run("cancel", ID, exit_code=1).stderr


@pytest.mark.parametrize("command", ["status", "cancel", "fetch"])
def test_an_invalid_job_id_is_not_sent(bulk_api: BulkApi, command: str) -> None:
    arguments = ("--out", "x") if command == "fetch" else ()

    assert "32 hex digits" in " ".join(bulk_api.run(command, "abc", *arguments, exit_code=2).stderr.split())
    assert bulk_api.requests == []
