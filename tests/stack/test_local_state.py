"""The local stack saves its state while it runs: a kill at any moment costs seconds, and the next start continues."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pigeonhole.contract.jobs import JOBS, JobResponse
from pigeonhole_cli.local import command
from pigeonhole_cli.local.command import ROOT, STACK, bring_up
from pigeonhole_cli.local.process import LocalProcess, open_port
from pigeonhole_cli.local.stack import LocalStack
from support.loopback import respond
from support.stack.deployment import image, request, text
from support.stack.job_calls import PATIENCE_S, JobEndEvents, find_processes_with

THINGS = [text("cat"), text("rocket"), text("temple")]


class Machine:
    """The local stack over one data folder, started as `make start` does."""

    def __init__(self, data: Path, model: Path) -> None:
        self._data, self._model = data, model
        self.process: LocalProcess | None = None

    def start(self) -> tuple[str, str]:
        """Start the stack, and return the API's address and the API key."""
        self.process = LocalProcess(self._data, open_port(0, ""), open_port(0, "")).__enter__()
        return self.process.api_url, bring_up(self.process, self._model)

    def kill(self) -> None:
        """Kill the server and the functions, and forget them. This process stands for `pigeonhole up`."""
        for pid in find_processes_with("STATE_DIR", str(self._data / "state")):
            os.kill(pid, signal.SIGKILL)
        self.stop()

    def is_saved_since(self, moment: float) -> bool:
        saved = self._data / "state" / "dynamodb.json"
        return saved.exists() and saved.stat().st_mtime > moment

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()


@pytest.fixture
def machine(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    monkeypatch.setitem(command.PARAMETERS, "ChunkVisibility", "15")  # the chunk of a killed worker is redelivered after 15 s
    started = Machine(tmp_path, model)
    yield started
    started.kill()
    started.stop()


def test_a_stack_that_is_killed_in_mid_job_finishes_the_job_at_the_next_start(
    machine: Machine, photos: dict[str, bytes], web: Any
) -> None:
    fetched, killed = threading.Event(), threading.Event()

    def last(connection: socket.socket, head: str) -> None:
        fetched.set()
        if killed.wait(PATIENCE_S):
            respond(photos["temple"])(connection, head)

    pages = web({"/cat": photos["cat"], "/rocket": photos["rocket"], "/last": last})
    dataset = [image(pages.url(path)) for path in ("/cat", "/rocket", "/last")]
    url, key = machine.start()
    with httpx.Client(headers={"x-api-key": key}, timeout=60, trust_env=False) as client:
        answer = client.post(url + JOBS, json=request(dataset, THINGS))
        assert answer.status_code == 202, answer.text
        path = answer.headers["location"]
        assert fetched.wait(PATIENCE_S)
        in_mid_job = time.time()
        wait_until(lambda: client.get(url + path).is_success and machine.is_saved_since(in_mid_job))

        machine.kill()
        killed.set()
        url, same_key = machine.start()

        assert same_key == key
        assert machine.process is not None
        with LocalStack(machine.process.aws_url, STACK, ROOT) as stack:
            ends = JobEndEvents(stack)
            job = JobResponse.model_validate(client.get(url + path).json())
            until = time.monotonic() + PATIENCE_S
            while not job.job.finished_at:
                assert time.monotonic() < until, job
                job = JobResponse.model_validate(client.get(f"{url}{path}?wait=20").json())
            assert job.predictions == ["cat", "rocket", "temple"]
            assert (job.job.progress.total, job.job.progress.succeeded, job.job.progress.failed) == (3, 3, 0)
            assert [event.succeeded for event in ends.wait_for(job.job.id)] == [3]


@pytest.mark.parametrize("end", [Machine.kill, Machine.stop])
def test_a_first_start_that_ends_in_mid_deployment_does_not_prevent_the_next(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, end: Callable[[Machine], None]
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(LocalStack, "_wait", interrupt)
        with pytest.raises(KeyboardInterrupt):
            machine.start()
        end(machine)

    url, key = machine.start()

    assert httpx.get(f"{url}/v1/account", headers={"x-api-key": key}, trust_env=False).status_code == 200


def interrupt(stack: LocalStack, operation: str) -> None:
    raise KeyboardInterrupt


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
