"""`pigeonhole jobs redrive`: what it prints of the new job, and how it refuses."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import NoCredentialsError
from typer.testing import CliRunner, Result

from pigeonhole.errors import NotFound, Overloaded
from pigeonhole.ids import new_id
from pigeonhole.jobs.job import Job
from pigeonhole.jobs.redrive import JobRedriver
from pigeonhole_cli.jobs import redrive
from pigeonhole_cli.main import app
from support.job_fixtures import Jobs


class Stack:
    """A deployment in memory, and the command line in front of it."""

    def __init__(self) -> None:
        self.jobs = Jobs()
        self.asked: list[tuple[str, str | None]] = []

    def services(self, stack_name: str, endpoint_url: str | None) -> JobRedriver:
        self.asked.append((stack_name, endpoint_url))
        return self.jobs.redriver

    def died(self, count: int, *dead: int) -> Job:
        """A job in chunks of four, of which those that begin at `dead` were given up."""
        job = self.jobs.submitted(count)
        for message in [self.jobs.take() for _ in job.chunks()]:
            if message.start in dead:
                self.jobs.dead_letters.fail(message)
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
    monkeypatch.setattr(redrive, "services", stack.services)
    return stack


def newest(stack: Stack) -> str:
    return stack.jobs.reader.list("acme", None, 1, None).items[0].id


def test_the_new_id_is_all_that_goes_to_standard_output(stack: Stack) -> None:
    old = stack.died(13, 4, 12)

    stack.jobs.now += 1
    result = stack.run("acme", old.id)

    assert result.stdout == f"{newest(stack)}\n"
    assert newest(stack) != old.id
    assert result.stderr == (
        f"Job {newest(stack)} of tenant acme has 5 samples of job {old.id}, new number -> old:\n  0-3 -> 4-7\n  4 -> 12\n"
    )


def test_json_has_the_old_number_of_each_sample(stack: Stack) -> None:
    old = stack.died(13, 4, 12)

    stack.jobs.now += 1
    result = stack.run("acme", old.id, "--json")

    assert json.loads(result.stdout) == {"job": newest(stack), "samples": [4, 5, 6, 7, 12]}


def test_twice_gives_the_same_job(stack: Stack) -> None:
    old = stack.died(4, 0)

    assert stack.run("acme", old.id).stdout == stack.run("acme", old.id).stdout


def test_what_stands_in_the_way_is_told_in_a_line(stack: Stack) -> None:
    fine, running = stack.died(4), stack.jobs.submitted(4)
    absent = new_id(0)

    for tenant, job_id, why in (
        ("acme", absent, f"error: tenant acme has no job '{absent}', or no longer\n"),
        ("nobody", fine.id, "error: there is no tenant 'nobody'; `pigeonhole keys list` shows those there are\n"),
        ("acme", running.id, "error: the job is queued: what no worker can do is known when it has ended\n"),
        ("acme", fine.id, "error: nothing in the job was given up: every sample has a result, or an error of its own\n"),
    ):
        result = stack.run(tenant, job_id, exit_code=1)
        assert (result.stdout, result.stderr) == ("", why)


def test_what_aws_said_is_told_to_an_operator(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """To a caller the service is busy; whoever has the credentials may be lacking a permission."""

    def fail(*_: object) -> JobRedriver:
        raise Overloaded() from NoCredentialsError()

    monkeypatch.setattr(redrive, "services", fail)

    assert stack.run("acme", new_id(0), exit_code=1).stderr == (
        "error: The service is busy. Try again.\n  Unable to locate credentials\n"
    )


def test_what_aws_said_is_left_out_where_we_say_it_ourselves(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> JobRedriver:
        raise NotFound("there is no stack 'x'") from NoCredentialsError()

    monkeypatch.setattr(redrive, "services", fail)

    assert stack.run("acme", new_id(0), exit_code=1).stderr == "error: there is no stack 'x'\n"


def test_the_stack_and_where_it_is_may_be_named(stack: Stack) -> None:
    old = stack.died(4, 0)
    stack.run("acme", old.id)
    stack.run("acme", old.id, "--stack-name", "other", "--endpoint-url", "http://127.0.0.1:8081")

    assert stack.asked == [("pigeonhole", None), ("other", "http://127.0.0.1:8081")]
