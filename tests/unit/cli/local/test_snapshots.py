"""The saved state is replaced as a whole, whenever the writing process is killed, and while the state changes."""

from __future__ import annotations

import asyncio
import fcntl
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pigeonhole_cli.local import snapshots
from pigeonhole_cli.local.snapshots import Snapshots, complete_snapshot, write_snapshot

# Python warns of a fork beside threads. The child needs none of their locks, and an alarm ends it if it does.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


class Killed(BaseException):
    """Stands for the end of the process."""


def states(value: object) -> dict[str, Callable[[], object]]:
    return {"sqs": lambda: value, "dynamodb": lambda: value}


def saved(folder: Path) -> list[object]:
    """Return the state of each service, in the order of their names."""
    return [json.loads(path.read_bytes())["payload"] for path in sorted(folder.glob("*.json"))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_a_snapshot_replaces_the_last_one(folder: Path) -> None:
    write_snapshot(folder, states(1))
    write_snapshot(folder, states(2))

    assert saved(folder) == [2, 2]
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize("step", range(6))
def test_a_kill_at_any_step_leaves_a_whole_snapshot(folder: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    write_snapshot(folder, states(1))
    left = step

    def kill_at_step(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return function(*arguments, **options)

        return call

    with monkeypatch.context() as patched:
        patched.setattr(Path, "mkdir", kill_at_step(Path.mkdir))
        patched.setattr(Path, "write_text", kill_at_step(Path.write_text))
        patched.setattr(Path, "rename", kill_at_step(Path.rename))
        patched.setattr(snapshots.shutil, "rmtree", lambda path, **options: path.exists() and kill_at_step(shutil.rmtree)(path))
        with pytest.raises(Killed):
            write_snapshot(folder, states(2))
    complete_snapshot(folder)

    assert saved(folder) == ([1, 1] if step < 4 else [2, 2])  # the fourth step moves the last snapshot away
    assert list(folder.parent.iterdir()) == [folder]
    write_snapshot(folder, states(3))
    assert saved(folder) == [3, 3]


def test_a_state_that_cannot_be_saved_leaves_the_last_snapshot(folder: Path) -> None:
    write_snapshot(folder, states(1))

    with pytest.raises(TypeError):
        write_snapshot(folder, {"sqs": lambda: 2, "dynamodb": lambda: {"table": object()}})
    with pytest.raises(RuntimeError, match="dynamodb has no state"):
        write_snapshot(folder, {"sqs": lambda: 2, "dynamodb": lambda: None})

    assert saved(folder) == [1, 1]


def test_a_save_that_fails_is_tried_again(folder: Path, lock: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "EVERY_S", 0.01)
    tried, fork = tmp_path / "tried", Snapshots._start
    forks: list[str] = []

    def state() -> object:
        if tried.exists():
            return "saved"
        tried.touch()
        return object()  # JSON has no such value

    def start(service: Snapshots) -> Any:
        forks.append("a fork")
        if len(forks) == 1:
            raise BlockingIOError("no more processes")
        return fork(service)

    async def run() -> None:
        saving = asyncio.create_task(service.run())
        await request(service)
        await until(folder.exists)
        saving.cancel()

    monkeypatch.setattr(Snapshots, "_start", start)
    service = Snapshots(folder, lambda: {"sqs": state}, lambda: True, lock)
    asyncio.run(run())

    assert len(forks) == 3, "no process, no JSON, success"
    assert saved(folder) == ["saved"]


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[int]:
    with (tmp_path / "lock").open("w") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield opened.fileno()


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the state was not saved")


async def request(service: Snapshots, kind: str = "http") -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        pass

    await service.watch(app)({"type": kind}, None, None)  # type: ignore[arg-type]


def test_the_state_is_saved_after_requests_once_the_stack_is_deployed(
    folder: Path, lock: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "EVERY_S", 0.01)
    state, deployed = {"jobs": 1}, False
    service = Snapshots(folder, lambda: states(state), lambda: deployed, lock)

    async def run() -> None:
        nonlocal deployed
        saving = asyncio.create_task(service.run())
        await request(service)
        await asyncio.sleep(0.2)
        assert not folder.exists(), "a stack that is being deployed is not saved"
        deployed = True
        await until(folder.exists)
        state["jobs"] = 2
        await request(service, "lifespan")
        await asyncio.sleep(0.2)
        assert saved(folder) == [{"jobs": 1}] * 2, "nothing is saved without a request"
        await request(service)
        await until(lambda: saved(folder) == [{"jobs": 2}] * 2)
        state["jobs"] = 3
        service.save()
        assert saved(folder) == [{"jobs": 3}] * 2
        saving.cancel()

    asyncio.run(run())


def test_a_save_that_is_in_progress_holds_the_lock_of_a_process_that_was_killed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "EVERY_S", 0.01)
    begun, go_on = tmp_path / "begun", tmp_path / "go on"

    def wait() -> str:
        begun.touch()
        while not go_on.exists():
            time.sleep(0.01)
        return "saved"

    async def run() -> None:
        saving = asyncio.create_task(service.run())
        await request(service)
        await until(begun.exists)
        saving.cancel()

    with (tmp_path / "lock").open("w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        service = Snapshots(folder, lambda: {"sqs": wait}, lambda: True, first.fileno())
        asyncio.run(run())

    with (tmp_path / "lock").open("w") as second:
        with pytest.raises(BlockingIOError):
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        go_on.touch()
        fcntl.flock(second, fcntl.LOCK_EX)
        assert saved(folder) == ["saved"]
