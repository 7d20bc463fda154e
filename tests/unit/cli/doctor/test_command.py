"""`pigeonhole doctor` as a user runs it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pigeonhole_cli.doctor import machine
from pigeonhole_cli.local.addresses import Addresses
from pigeonhole_cli.main import app
from support.cli.api_server import API_KEY, Answer, error_body
from support.cli.job_api import JobApi
from support.cli.small_artifact import write_artifact

DiskUsage = namedtuple("DiskUsage", ["total", "used", "free"])


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A machine with enough memory and disk, a prepared model and no stack."""
    monkeypatch.setattr(machine, "read_available_memory", lambda: 8e9)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda folder: DiskUsage(100e9, 50e9, 50e9))
    write_artifact(tmp_path / "cache" / "models" / "tiny")
    folders = {"PIGEONHOLE_DATA": str(tmp_path / "data"), "PIGEONHOLE_CACHE": str(tmp_path / "cache")}
    return folders | {"PORT": "0", "AWS_PORT": "0"}


def doctor(environment: dict[str, str], *arguments: str, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["doctor", *arguments], env=environment)
    assert result.exit_code == exit_code, result.output + repr(result.exception)
    return result


def check(name: str, environment: dict[str, str], *arguments: str, exit_code: int = 0) -> dict[str, Any]:
    """Return one check of the JSON report."""
    checks = json.loads(doctor(environment, "--json", *arguments, exit_code=exit_code).stdout)
    (found,) = [check for check in checks if check["name"] == name]
    return dict(found)


def test_a_healthy_machine_has_a_line_for_each_check(environment: dict[str, str]) -> None:
    lines = doctor(environment).stdout.splitlines()

    assert [line[6:20].strip() for line in lines if line[:6].strip()] == [
        "Python",
        "packages",
        "memory",
        "disk of data",
        "disk of cache",
        "port 0",
        "port 0",
        "model",
        "cache",
        "local stack",
    ]
    assert {line[:4].strip() for line in lines} <= {"ok", ""}
    assert lines[-1].strip() == "Start it: make start"


def test_a_missing_model_is_prepared_by_make_start_if_it_is_the_bundled_one(
    environment: dict[str, str], tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "cache")

    assert check("model", environment)["level"] == "warn"
    other = check("model", environment, "--model", "clip-b32", exit_code=1)
    assert (other["level"], other["advice"]) == ("fail", "Prepare it: pigeonhole models prepare clip-b32")


def test_a_broken_model_fails(environment: dict[str, str], tmp_path: Path) -> None:
    next((tmp_path / "cache" / "models" / "tiny").glob("*.onnx")).unlink()

    assert check("model", environment, exit_code=1)["level"] == "fail"
    assert check("cache", environment, exit_code=1)["message"].startswith("tiny broken in ")


def test_a_stack_that_answers_is_named(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with JobApi() as api, Addresses(api.url, "http://127.0.0.1:1").published(tmp_path / "data"):
        api.prepare({"success": True, "status": "ok", "log_id": "log-1"})

        assert check("local stack", environment)["message"] == f"answers at {api.url}"

    assert [request.path for request in api.requests] == ["/v1/health"]


def test_a_stack_that_was_killed_is_a_warning(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with JobApi() as gone:
        pass
    with Addresses(gone.url, "http://127.0.0.1:1").published(tmp_path / "data"):
        assert check("local stack", environment)["level"] == "warn"


def test_an_api_key_is_checked_if_there_is_one(environment: dict[str, str]) -> None:
    with JobApi() as api:
        api.prepare(Answer(error_body("invalid_api_key", "The API key is missing or wrong."), 401))

        found = check("API", environment | api.environment, exit_code=1)

    assert found["level"] == "fail"
    assert "The API key is missing or wrong." in found["message"]
    assert API_KEY not in json.dumps(found)


def test_aws_is_asked_only_on_request(environment: dict[str, str]) -> None:
    nothing = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true"}
    minimal = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | environment | nothing
    command = [sys.executable, "-m", "pigeonhole_cli", "doctor"]

    # The processes measure this machine, so their memory and disk may be too small for `ok`: only AWS is looked at.
    without = subprocess.run(command, env=minimal, capture_output=True, text=True, timeout=60)
    asked = subprocess.run([*command, "--aws"], env=minimal, capture_output=True, text=True, timeout=60)

    assert asked.returncode == 1
    assert "AWS" not in without.stdout
    assert "Set AWS_PROFILE" in asked.stdout
