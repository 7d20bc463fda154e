"""Waiting for a job: long polls, the progress bar, an interrupt."""

from __future__ import annotations

import os
import pty
import signal

import pytest

from pigeonhole_cli.jobs.wait import wait_for_job
from support.cli.api_server import Answer, read_terminal
from support.cli.job_api import ID, JobApi, ScriptedJobs, job_answer


def test_a_job_is_waited_for_by_long_polls(api: JobApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pigeonhole_cli.jobs.wait.MIN_INTERVAL_S", 0)
    api.prepare(job_answer("queued"), job_answer("processing"), job_answer(predictions=["cat", ["dog", "pet"]]))

    result = api.run("wait", ID)

    assert [request.path.removeprefix("/prod/v1/classification/jobs") for request in api.requests] == [
        f"/{ID}",
        f"/{ID}?wait=20",
        f"/{ID}?wait=20",
    ]
    assert result.stdout == "0\tcat\n1\tdog,pet\n"
    assert result.stderr == f"Job {ID} succeeded: 2 of 2 samples done.\n", "no bar without a terminal"


def test_a_server_that_does_not_wait_is_asked_with_pauses() -> None:
    script = ScriptedJobs(*[(200, job_answer("queued"))] * 3, (200, job_answer(predictions=["cat", "dog"])))

    assert wait_for_job(script.jobs, ID).body.predictions == ["cat", "dog"]
    assert script.pauses == [1.0, 1.0]


def test_a_bar_is_drawn_on_a_terminal_and_erased_at_the_end(api: JobApi) -> None:
    half = job_answer("processing", total=4, succeeded=1, failed=1)
    api.prepare(half, half, job_answer(predictions=list("abcd"), total=4, succeeded=4))
    reader, terminal = pty.openpty()

    process = api.start("wait", ID, stderr=terminal)
    os.close(terminal)
    stdout, _ = process.communicate(timeout=60)
    output = read_terminal(reader)

    assert process.returncode == 0
    assert stdout == b"0\ta\n1\tb\n2\tc\n3\td\n", "the bar is only on standard error"
    assert "processing" in output
    assert "2/4" in output
    assert "1 with an error" in output
    assert api.requests[1].path.endswith("?wait=2"), "long polls are shorter, so that the bar moves"
    assert "\x1b[2K" in output.rsplit("4/4", 1)[1], "the bar's line is erased"


def test_an_interrupt_leaves_the_job_running_and_says_how_to_wait_again(api: JobApi) -> None:
    api.prepare(job_answer("processing"), Answer(None))

    process = api.start("wait", ID)
    for _ in range(2):
        api.wait_for_request()
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)

    assert (process.returncode, stdout) == (130, b"")
    assert stderr.decode().startswith("Interrupted; ")
    assert f"pigeonhole jobs wait {ID}\n" in stderr.decode()
    assert f"pigeonhole jobs cancel {ID}\n" in stderr.decode()
    assert {request.method for request in api.requests} == {"GET"}
