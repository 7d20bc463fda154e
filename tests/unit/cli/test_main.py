"""`pigeonhole` in an environment that lacks a package ends with one line that says what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None  # importing it fails, as if it weren't there
sys.argv = ["pigeonhole", *sys.argv[2:]]
from pigeonhole_cli.__main__ import main
main()
"""


@pytest.mark.parametrize("package", ["botocore", "pydantic", "rich", "typer"])
def test_a_package_that_is_missing_is_named_with_the_way_out(package: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT, package, "models", "prepare", "tiny", "--out", str(tmp_path / "tiny")]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)

    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert f"the package {package} is missing" in line
    assert "make start" in line


@pytest.mark.parametrize("package", ["numpy", "httpx"])
@pytest.mark.parametrize("command", ["keys", "models", "jobs", "labels", "upload"])
def test_commands_start_without_what_few_of_them_need(command: str, package: str) -> None:
    """Either would cost each of them a quarter of a second or more."""
    call = [sys.executable, "-c", WITHOUT, package, command, "list", "--help"]
    started = subprocess.run(call, capture_output=True, text=True, timeout=120)

    assert started.returncode == 0, started.stderr
    assert "Usage" in started.stdout
