"""What the command line says of itself."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pigeonhole_cli.console import own_command


def test_the_command_is_named_as_the_user_can_call_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "pigeonhole"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(command), "up"])

    monkeypatch.setenv("PATH", str(tmp_path))
    assert own_command() == "pigeonhole"
    monkeypatch.setenv("PATH", "/nonexistent")
    assert own_command() == str(command)


def test_a_command_that_another_program_runs_has_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/pigeonhole_cli/__main__.py", "doctor"])

    assert own_command() == "pigeonhole"
