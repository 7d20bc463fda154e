"""The local stack's AWS Batch runs tasks as processes, starts them again by the definition's rules, and publishes failures."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pigeonhole_cli.local.asgi import Message
from pigeonhole_cli.local.batch import DEFINITION, QUEUE, Definition, LocalBatch, definition_reader, in_front_of
from support.cli.asgi import in_loop

RUN = [{"name": "PIGEONHOLE_GPU_RUN", "value": "acme/job/0"}]


def definition(script: str, folder: Path, **more: Any) -> Definition:
    path = folder / "task.py"
    path.write_text("import os, pathlib, signal, sys, time\nenv = os.environ\n" + script)
    fields = {"environment": {"COLOUR": "blue"}, "attempts": 3, "retry_codes": [75], "role": "arn:role", "folder": str(folder)}
    return Definition(command=["python", str(path)], **{**fields, **more})


class Stack:
    """A LocalBatch, and what it published."""

    def __init__(self, defined: Definition | None) -> None:
        self.published: list[Mapping[str, Any]] = []
        self.batch = LocalBatch(lambda: defined, lambda role: {"ROLE": role}, self.published.append)
        self.running = asyncio.ensure_future(self.batch.run())

    def submit(self, size: int | None = None) -> str:
        array = {"arrayProperties": {"size": size}} if size else {}
        request = {
            "jobName": "name",
            "jobQueue": QUEUE,
            "jobDefinition": DEFINITION,
            "containerOverrides": {"environment": RUN},
        }
        job_id: str = self.batch.submit({**request, **array})["jobId"]
        return job_id

    def status(self, job_id: str) -> str:
        return str(self.batch.describe({"jobs": [job_id]})["jobs"][0]["status"])

    async def end(self, job_id: str) -> str:
        for _ in range(2_000):
            if self.status(job_id) in ("SUCCEEDED", "FAILED"):
                return self.status(job_id)
            await asyncio.sleep(0.01)
        raise AssertionError(self.status(job_id))

    async def close(self) -> None:
        await self.batch.stop()
        self.running.cancel()


@in_loop
async def test_each_task_of_an_array_has_its_index_and_the_definitions_environment(tmp_path: Path) -> None:
    script = "pathlib.Path('out' + env['AWS_BATCH_JOB_ARRAY_INDEX']).write_text(repr(sorted(env.items())))"
    stack = Stack(definition(script, tmp_path))

    assert await stack.end(stack.submit(2)) == "SUCCEEDED"
    await stack.close()

    for index in ("0", "1"):
        seen = dict(eval((tmp_path / f"out{index}").read_text()))
        assert (seen["COLOUR"], seen["ROLE"], seen["PIGEONHOLE_GPU_RUN"]) == ("blue", "arn:role", "acme/job/0")
    assert stack.published == []


@in_loop
async def test_a_task_inherits_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    stack = Stack(definition("sys.exit(1 if 'SECRET' in env or 'AWS_BATCH_JOB_ARRAY_INDEX' in env else 0)", tmp_path))

    assert await stack.end(stack.submit()) == "SUCCEEDED"
    await stack.close()


@in_loop
async def test_a_task_that_asks_for_it_is_started_again(tmp_path: Path) -> None:
    script = "n = len(list(pathlib.Path('.').glob('try*'))); pathlib.Path(f'try{n}').touch(); sys.exit(75 if n < 2 else 0)"
    stack = Stack(definition(script, tmp_path))

    assert await stack.end(stack.submit()) == "SUCCEEDED"
    await stack.close()

    assert len(list(tmp_path.glob("try*"))) == 3


@in_loop
async def test_a_task_that_a_signal_ended_has_the_exit_code_of_a_container(tmp_path: Path) -> None:
    stack = Stack(definition("os.kill(os.getpid(), signal.SIGTERM)", tmp_path))

    assert await stack.end(stack.submit()) == "FAILED"
    await stack.close()

    assert [attempt["container"]["exitCode"] for attempt in stack.published[0]["attempts"]] == [143]


@pytest.mark.parametrize(("code", "attempts"), [(75, 3), (1, 1)])
@in_loop
async def test_a_task_that_fails_is_published_as_aws_publishes_it(code: int, attempts: int, tmp_path: Path) -> None:
    stack = Stack(definition(f"sys.exit({code})", tmp_path))

    job_id = stack.submit(2)
    assert await stack.end(job_id) == "FAILED"
    await stack.close()

    assert [(event["jobId"], event["arrayProperties"]) for event in stack.published] == [
        (f"{job_id}:0", {"index": 0}),
        (f"{job_id}:1", {"index": 1}),
        (job_id, {"size": 2}),
    ]
    assert [len(event["attempts"]) for event in stack.published] == [attempts, attempts, 0]
    assert all(event["jobQueue"] == QUEUE and event["container"]["environment"] == RUN for event in stack.published)


@in_loop
async def test_a_job_that_is_terminated_stops_its_task_and_begins_no_other(tmp_path: Path) -> None:
    stack = Stack(definition("pathlib.Path('began').touch(); time.sleep(60)", tmp_path))
    job_id = stack.submit(2)
    while not (tmp_path / "began").exists():
        await asyncio.sleep(0.01)

    stack.batch.terminate({"jobId": job_id, "reason": "canceled"})

    assert await stack.end(job_id) == "FAILED"
    await stack.close()
    assert [len(event["attempts"]) for event in stack.published] == [1, 0, 0]
    assert stack.published[0]["statusReason"] == "canceled"


@in_loop
async def test_a_stack_that_stops_lets_its_task_end_and_publishes_nothing(tmp_path: Path) -> None:
    script = "signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path('stored').touch(), sys.exit(75)))\n"
    stack = Stack(definition(script + "pathlib.Path('began').touch(); time.sleep(60)", tmp_path))
    stack.submit()
    while not (tmp_path / "began").exists():
        await asyncio.sleep(0.01)

    await stack.close()

    assert (tmp_path / "stored").exists()
    assert stack.published == []


@in_loop
async def test_without_a_definition_a_job_fails() -> None:
    stack = Stack(None)

    assert await stack.end(stack.submit()) == "FAILED"
    await stack.close()
    assert stack.published[0]["statusReason"] == "no GPU workers are deployed"


@in_loop
async def test_a_job_that_can_not_be_started_fails(tmp_path: Path) -> None:
    stack = Stack(replace(definition("", tmp_path), command=["/nonexistent"]))

    assert await stack.end(stack.submit()) == "FAILED"
    await stack.close()


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/describejobs", b'{"jobs": ["x"]}', 200),
        ("POST", "/v1/terminatejob", b'{"jobId": "x", "reason": "r"}', 200),
        ("POST", "/v1/submitjob", b"{}", 400),
        ("POST", "/v1/submitjob", b"no JSON", 400),
        ("GET", "/v1/describejobs", b"", 204),
        ("POST", "/", b"", 204),
    ],
)
@in_loop
async def test_only_calls_to_batch_are_answered(method: str, path: str, body: bytes, status: int) -> None:
    async def emulator(scope: Message, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204})

    sent: list[Message] = []
    received = iter([{"type": "http.request", "body": body}])

    async def receive() -> Message:
        try:
            return next(received)
        except StopIteration:
            await asyncio.Event().wait()
            raise

    async def send(message: Message) -> None:
        sent.append(message)

    app = in_front_of(emulator, LocalBatch(lambda: None, lambda role: {}, lambda detail: None))
    await app({"type": "http", "method": method, "path": path}, receive, send)

    assert sent[0]["status"] == status


def test_the_definition_is_the_route_files(tmp_path: Path) -> None:
    route, defined = tmp_path / "route.json", definition("", tmp_path)
    read = definition_reader(route)

    assert read() is None
    route.write_text(json.dumps({"gpu": None}))
    assert read() is None
    route.write_text(json.dumps({"gpu": vars(defined)}))
    assert read() == defined
    assert sys.executable not in defined.command
