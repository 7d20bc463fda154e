"""`pigeonhole jobs redrive`: what it prints about the new job, and how it refuses."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner, Result

from pigeonhole.ids import new_id
from pigeonhole.jobs.job import Job
from pigeonhole.jobs.redrive import JobRedriver
from pigeonhole_cli.jobs import redrive
from pigeonhole_cli.main import app
from support.job_fixtures import Jobs


class Stack:
    """A deployment in memory, and the command line that uses it."""

    def __init__(self) -> None:
        self.jobs = Jobs()
        self.calls: list[tuple[str, str | None]] = []

    def job_redriver(self, stack_name: str, endpoint_url: str | None) -> JobRedriver:
        self.calls.append((stack_name, endpoint_url))
        return self.jobs.redriver

    def ended_job(self, count: int, *abandoned: int) -> Job:
        """Process a job in chunks of four samples. The chunks that begin at `abandoned` end as dead letters."""
        job = self.jobs.submitted(count)
        for message in [self.jobs.take() for _ in job.chunks()]:
            if message.start in abandoned:
                self.jobs.abandon(message)
            else:
                self.jobs.worker.process(message, lambda: 100.0)
        return job

    def run(self, *arguments: str, exit_code: int = 0) -> Result:
        result = CliRunner().invoke(app, ["jobs", "redrive", *arguments])
        assert result.exit_code == exit_code, result.output + repr(result.exception)
        return result


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Stack:
    stack = Stack()
    monkeypatch.setattr(redrive, "job_redriver", stack.job_redriver)
    return stack


def newest_id(stack: Stack) -> str:
    return stack.jobs.reader.list("acme", None, 1, None).items[0].id


def test_only_the_new_id_is_printed_to_standard_output(stack: Stack) -> None:
    old = stack.ended_job(13, 4, 12)

    stack.jobs.now += 1
    result = stack.run("acme", old.id)

    assert result.stdout == f"{newest_id(stack)}\n"
    assert newest_id(stack) != old.id
    assert result.stderr == (
        f"Job {newest_id(stack)} of tenant acme has 5 samples of job {old.id}, new number -> old:\n  0-3 -> 4-7\n  4 -> 12\n"
    )


def test_json_lists_the_old_number_of_each_sample(stack: Stack) -> None:
    old = stack.ended_job(13, 4, 12)

    stack.jobs.now += 1
    result = stack.run("acme", old.id, "--json")

    assert json.loads(result.stdout) == {"job": newest_id(stack), "samples": [4, 5, 6, 7, 12]}


def test_a_second_call_returns_the_same_job(stack: Stack) -> None:
    old = stack.ended_job(4, 0)

    assert stack.run("acme", old.id).stdout == stack.run("acme", old.id).stdout


def test_a_refusal_is_reported_in_one_line(stack: Stack) -> None:
    succeeded, running = stack.ended_job(4), stack.jobs.submitted(4)
    absent = new_id(0)

    for tenant, job_id, word in (
        ("acme", absent, absent),
        ("ghost", succeeded.id, "'ghost'"),
        ("acme", running.id, "queued"),
        ("acme", succeeded.id, "sample"),
    ):
        result = stack.run(tenant, job_id, exit_code=1)
        assert result.stdout == ""
        assert result.stderr.startswith("error: ")
        assert word in result.stderr
        assert result.stderr.count("\n") == 1


def test_stack_and_endpoint_are_options(stack: Stack) -> None:
    old = stack.ended_job(4, 0)
    stack.run("acme", old.id)
    stack.run("acme", old.id, "--stack-name", "other", "--endpoint-url", "http://127.0.0.1:8081")

    assert stack.calls == [("pigeonhole", None), ("other", "http://127.0.0.1:8081")]
