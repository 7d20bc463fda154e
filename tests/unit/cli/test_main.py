"""`pigeonhole` as a whole: what it imports, what it says about a missing package, what a traceback shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pigeonhole import __version__
from pigeonhole_cli.main import app

WITHOUT_A_PACKAGE = """
import sys
for package in sys.argv[1].split(","):
    sys.modules[package] = None  # its import fails, as if it were not installed
sys.argv = ["pigeonhole", *sys.argv[2:]]
from pigeonhole_cli.__main__ import main
main()
"""


@pytest.mark.parametrize("package", ["botocore", "pydantic", "rich", "typer"])
def test_a_missing_package_is_named_with_how_to_install_it(package: str, tmp_path: Path) -> None:
    arguments = ["models", "prepare", "tiny", "--out", str(tmp_path / "tiny")]
    command = [sys.executable, "-c", WITHOUT_A_PACKAGE, package, *arguments]

    process = subprocess.run(command, capture_output=True, text=True, timeout=120)

    assert process.returncode == 1
    (line,) = process.stderr.splitlines()
    assert f"the package {package} is missing" in line
    assert "make start" in line


@pytest.mark.parametrize("command", ["keys", "models", "jobs", "labels", "upload"])
def test_commands_start_without_importing_slow_packages(command: str) -> None:
    """Each of these imports takes a quarter of a second or more."""
    arguments = [sys.executable, "-c", WITHOUT_A_PACKAGE, "numpy,httpx", command, "list", "--help"]
    process = subprocess.run(arguments, capture_output=True, text=True, timeout=120)

    assert process.returncode == 0, process.stderr
    assert "Usage" in process.stdout


def test_the_version_is_that_of_the_package() -> None:
    result = CliRunner().invoke(app, ["--version"])

    assert (result.exit_code, result.stdout) == (0, f"pigeonhole {__version__}\n")


def test_a_traceback_shows_no_local_variables() -> None:
    """A local variable may be an API key, and old versions of Typer print them by default."""
    assert app.pretty_exceptions_show_locals is False
