"""`make start` and `pigeonhole up`: their output works, Ctrl-C saves the data, an error is one line with a remedy."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from pigeonhole_cli.local import process as local_process
from pigeonhole_cli.local.command import ROOT
from pigeonhole_cli.local.process import LocalError, LocalProcess, open_port
from pigeonhole_cli.local.rewrites import REWRITES

READY = "Ctrl-C stops it"
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
IN_A_SHELL: Any = {"capture_output": True, "text": True, "check": True, "timeout": 60, "env": {**os.environ, "PATH": PATH}}


@dataclass
class Up:
    """A running stack, its output so far, and the seconds until it was ready."""

    process: subprocess.Popen[str]
    output: str
    seconds: float

    def value(self, name: str) -> str:
        match = re.search(rf"^{name} +(\S+)$", self.output, re.MULTILINE)
        assert match, self.output
        return match[1]

    def interrupt(self) -> int:
        os.killpg(self.process.pid, signal.SIGINT)  # to the whole process group, as Ctrl-C does
        return self.process.wait(timeout=30)


Start = Callable[..., Up]


@pytest.fixture
def start(model: Path, tmp_path: Path) -> Iterator[Start]:
    """Run `pigeonhole up`, or another command, until it is ready or ends. At the end, stop what still runs."""
    running: list[subprocess.Popen[str]] = []

    def start(*options: str, command: Sequence[str] = ("pigeonhole", "up", "--port", "0", "--aws-port", "0")) -> Up:
        environment = {**os.environ, "PIGEONHOLE_CACHE": str(model.parents[1]), "PYTHONUNBUFFERED": "1"}
        environment |= {"PIGEONHOLE_DATA": str(tmp_path / "data"), "MODEL": model.name}
        environment["PATH"] = PATH
        began = time.monotonic()
        process = subprocess.Popen(
            [*command, *options],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        running.append(process)
        assert process.stdout
        lines = []
        for line in process.stdout:
            lines.append(line)
            if READY in line:
                break
        return Up(process, "".join(lines), time.monotonic() - began)

    yield start
    for process in running:
        process.terminate()
        process.wait(timeout=30)
        assert process.stdout
        process.stdout.close()


def refusal(started: Up) -> str:
    """Return the one line of the error."""
    assert started.process.wait(timeout=30) == 1
    first, *lines = started.output.strip().splitlines()
    assert first == "Starting ..."
    assert len(lines) == 1, started.output
    return lines[0]


def test_what_it_prints_works_and_a_second_start_has_the_same_key(start: Start) -> None:
    first = start()
    curl = first.output[first.output.index("curl ") : first.output.index(READY)]
    answer = subprocess.run(["bash", "-e"], input=curl, capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout)["predictions"] == ["positive"]
    (export,) = [line for line in first.output.splitlines() if line.startswith("export ")]
    listed = subprocess.run(["bash", "-e"], input=f"{export}\npigeonhole jobs list --json", **IN_A_SHELL)
    assert json.loads(listed.stdout) == []

    assert first.interrupt() == 0
    with socket.create_server(("127.0.0.1", int(first.value("URL").rsplit(":", 1)[1]))):
        pass  # the port is free again
    second = start()

    assert second.value("API key") == first.value("API key")
    account = httpx.get(f"{second.value('URL')}/v1/account", headers={"x-api-key": first.value("API key")})
    assert account.json()["tenant"]["id"] == "local"


def test_make_start_is_ready_again_in_a_moment_after_ctrl_c(start: Start) -> None:
    # In the environment that runs the tests. It stays as it is.
    command = ("make", "-o", f"{sys.prefix}/.for-start", "start", "PORT=0", "AWS_PORT=0", f"VENV={sys.prefix}")
    first = start(command=command)
    first.interrupt()
    assert first.process.stdout
    assert "the data is kept" in first.process.stdout.read()

    second = start(command=command)

    assert second.value("API key") == first.value("API key")
    assert second.seconds < 60, "it must not wait for the chunks of the last run, which are redelivered after a minute"
    assert httpx.get(f"{second.value('URL')}/v1/health").json()["success"] is True


@pytest.mark.parametrize("setting", ["PORT=70000", "AWS_PORT=-1"])
def test_a_port_that_does_not_exist_is_reported(start: Start, setting: str) -> None:
    refused = start(command=("env", setting, "pigeonhole", "up"))

    assert refused.process.wait(timeout=30) == 2
    assert f"env var: '{setting.partition('=')[0]}'" in refused.output
    assert "Traceback" not in refused.output


def test_a_data_folder_that_cannot_be_created_is_reported(start: Start) -> None:
    assert "/proc/none can't hold the stack's data" in refusal(start("--data", "/proc/none"))


def test_the_data_outlives_a_start_that_was_killed(start: Start) -> None:
    first = start()

    first.process.kill()
    first.process.wait()

    assert start().value("API key") == first.value("API key")


def test_it_listens_only_on_this_machine(server: LocalProcess) -> None:
    for url in (server.api_url, server.aws_url):
        host, port = url.removeprefix("http://").split(":")
        assert host == "127.0.0.1"
        with socket.socket() as other, pytest.raises(ConnectionRefusedError):
            other.connect(("127.0.0.2", int(port)))


def test_a_second_stack_over_the_same_data_is_refused(server: LocalProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_process, "LOCK_S", 0.2)
    with open_port(0, "") as one, open_port(0, "") as two, pytest.raises(LocalError, match="Another local stack uses"):
        LocalProcess(server.data, one, two).__enter__()


def test_a_stack_starts_while_functions_of_the_last_run_still_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def removed_while_another_writes(folder: Path, **_: object) -> None:
        folder.mkdir()
        (folder / "of-the-last-run").touch()

    monkeypatch.setattr(local_process.shutil, "rmtree", removed_while_another_writes)

    with LocalProcess(tmp_path, open_port(0, ""), open_port(0, "")):
        assert (tmp_path / "tmp" / "of-the-last-run").exists()


def test_the_next_ports_are_used_if_both_are_in_use(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        port, aws_port = one.getsockname()[1], two.getsockname()[1]

        started = start("--port", str(port), "--aws-port", str(aws_port))

        assert f"Port {port} is in use. The API has port {started.value('URL').rpartition(':')[2]}." in started.output
        assert f"Port {aws_port} is in use. The emulated AWS has port " in started.output
        assert httpx.get(f"{started.value('URL')}/v1/health").json()["success"] is True


def test_a_second_stack_is_told_where_the_first_one_is(start: Start) -> None:
    first = start()

    line = refusal(start())

    assert f"It is at {first.value('URL')}." in line
    assert first.process.poll() is None


def test_the_differences_from_aws_are_in_a_file(start: Start, tmp_path: Path) -> None:
    started = start()
    explained = subprocess.run(["pigeonhole", "up", "--explain", "--data", str(tmp_path / "data")], **IN_A_SHELL).stdout

    assert explained == (tmp_path / "data" / "differences-from-aws.txt").read_text()
    for row in REWRITES:
        assert row.why in explained
        assert row.why not in started.output


def test_a_missing_model_is_reported_with_a_remedy(start: Start) -> None:
    assert "pigeonhole models prepare" in refusal(start("--model", "clip-b32", "--cache", "/nonexistent"))


def test_a_broken_model_is_reported_with_a_remedy(start: Start, model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "models" / model.name
    shutil.copytree(model, broken)
    (broken / "image.onnx").write_bytes(b"not a model")

    assert "pigeonhole models prepare" in refusal(start("--cache", str(tmp_path)))


def test_a_broken_state_is_reported_with_a_remedy(start: Start, tmp_path: Path) -> None:
    state = tmp_path / "data" / "state"
    state.mkdir(parents=True)
    (state / "dynamodb.json").write_text('{"half": ')

    line = refusal(start())
    assert "dynamodb.json is broken" in line
    assert "rm -r" in line
