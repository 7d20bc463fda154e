"""functions/gpu: the exit code says what is left of the task, and SIGTERM stops it."""

from __future__ import annotations

import importlib.util
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from threading import Event
from types import ModuleType
from typing import Any
from unittest.mock import Mock

import pytest

from pigeonhole.bulk.gpu.run_name import RunName
from pigeonhole.bulk.gpu.task_worker import TaskOutcome
from pigeonhole.errors import InternalError, Overloaded
from pigeonhole.observability import observer
from pigeonhole.wiring import gpu
from support.handlers import ROOT

RUN = f"acme/{'0' * 32}/2"


@pytest.fixture
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu_worker", ROOT / "functions/gpu/worker.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("PIGEONHOLE_GPU_RUN", RUN)
    monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_INDEX", "7")
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(observer("gpu").logger.registered_handler, "stream", stream)
    return stream


def serve(monkeypatch: pytest.MonkeyPatch, run: Callable[..., TaskOutcome]) -> list[Any]:
    """Have the program run this in place of its service. Returns the tasks that it ran."""
    tasks: list[Any] = []

    def record(name: RunName, index: int, stop: Event) -> TaskOutcome:
        tasks.append((name, index))
        return run(stop)

    monkeypatch.setattr(gpu, "gpu_task_worker", lambda settings, report_fault: Mock(run=record))
    return tasks


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (TaskOutcome(spans=3, samples=30), 0),
        (TaskOutcome(spans=3, open_spans=1), 75),
        (TaskOutcome(faults=1), 1),
        (TaskOutcome(faults=1, open_spans=1), 75),
    ],
)
def test_the_exit_code_says_what_is_left(
    outcome: TaskOutcome, code: int, program: ModuleType, monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    tasks = serve(monkeypatch, lambda stop: outcome)

    assert program.main() == code
    assert tasks == [(RunName("acme", "0" * 32, 2), 7)]
    assert '"exit_code":' in log.getvalue()


@pytest.mark.parametrize(("error", "code"), [(Overloaded(), 75), (InternalError(), 1), (RuntimeError("a secret text"), 1)])
def test_a_task_that_can_not_be_read_is_tried_again_or_fails(
    error: Exception, code: int, program: ModuleType, monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    def fail(stop: Event) -> TaskOutcome:
        raise error

    serve(monkeypatch, fail)

    assert program.main() == code
    assert "secret" not in log.getvalue()


def test_sigterm_stops_the_work(program: ModuleType, monkeypatch: pytest.MonkeyPatch, log: io.StringIO) -> None:
    def be_stopped(stop: Event) -> TaskOutcome:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(5)
        return TaskOutcome(open_spans=1)

    monkeypatch.setattr(program, "Timer", Mock())  # it would end these tests
    serve(monkeypatch, be_stopped)

    assert program.main() == 75
    seconds, end, (code,) = program.Timer.call_args.args
    assert (end, code) == (os._exit, 75)
    assert seconds <= 90


@pytest.mark.parametrize("run", ["", "nonsense"])
def test_without_a_task_it_fails(run: str, program: ModuleType, monkeypatch: pytest.MonkeyPatch, log: io.StringIO) -> None:
    monkeypatch.setenv("PIGEONHOLE_GPU_RUN", run)

    assert program.main() == 1


def test_the_program_ends_in_time_even_if_its_work_does_not() -> None:
    """As a process of its own, whose service waits for ever and whose limit is shorter."""
    script = f"""
import sys, threading, time
sys.path.insert(0, {str(ROOT)!r})
from unittest.mock import Mock
from functions.gpu import worker
from pigeonhole.wiring import gpu
def run(name, index, stop):
    print("running", flush=True)
    threading.Event().wait()
gpu.gpu_task_worker = lambda settings, report_fault: Mock(run=run)
worker.MAX_STOP_S = 0.5
sys.exit(worker.main())
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    with process, process.stdout:
        while "running" not in process.stdout.readline():
            assert process.poll() is None
        began_s = time.monotonic()
        process.send_signal(signal.SIGTERM)

        assert process.wait(30) == 75
        assert time.monotonic() - began_s < 20
