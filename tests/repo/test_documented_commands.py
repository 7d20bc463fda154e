"""Every `pigeonhole` command and every make target in the documents exists."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from pigeonhole_cli.main import app
from support import pages

ROOT = Path(__file__).resolve().parents[2]


def documents() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", "*.md"], cwd=ROOT, check=True, capture_output=True)
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def commands(text: str, program: str) -> list[list[str]]:
    """Return the arguments of each call of `program` in the shell blocks of a document."""
    call = re.compile(rf"(?:^|&& *)(?:[A-Z_]+=\S+ +)*(?:\.venv/bin/)?{program} +(.*?)(?=&&|$)", re.MULTILINE)
    shell = [block.code.replace("\\\n", " ") for block in pages.blocks(text) if block.language == "sh"]
    return [shlex.split(words, comments=True) for code in shell for words in call.findall(code)]


CALLS = [
    (path.relative_to(ROOT).as_posix(), words) for path in documents() for words in commands(path.read_text(), "pigeonhole")
]


def is_accepted(words: list[str]) -> bool:
    """Return whether the command line accepts a call. No command runs."""
    command = typer.main.get_command(app)
    _disarm(command)
    with pytest.raises(SystemExit) as ended:
        command.main(words, prog_name="pigeonhole")
    return ended.value.code == 0


def _disarm(command: Any) -> None:
    if isinstance(command, TyperGroup):
        for name in command.list_commands(None):
            _disarm(command.get_command(None, name))
    else:
        command.callback = lambda **_: None


@pytest.mark.parametrize(("document", "words"), CALLS, ids=[f"{name}: {' '.join(words)}" for name, words in CALLS])
def test_a_documented_call_is_accepted(document: str, words: list[str]) -> None:
    assert is_accepted(words)


def test_the_documents_have_calls() -> None:
    documented = {tuple(words[:2]) for _, words in CALLS}

    assert {
        ("keys", "create"),
        ("keys", "list"),
        ("keys", "rotate"),
        ("keys", "revoke"),
        ("models", "export"),
        ("jobs", "redrive"),
        ("labels", "put"),
    } <= documented


@pytest.mark.parametrize("line", ["keys make acme", "keys create", "keys rotate id --graze 1h", "models export tiny", "down"])
def test_an_unknown_call_is_refused(line: str) -> None:
    assert not is_accepted(line.split())


def test_calls_are_found_among_other_lines() -> None:
    text = "```sh\nsam build && pigeonhole keys list  # all\nA=b .venv/bin/pigeonhole up\n```\n```python\npigeonhole no\n```\n"

    assert commands(text, "pigeonhole") == [["keys", "list"], ["up"]]


def test_make_knows_its_documented_targets() -> None:
    makefile = (ROOT / "Makefile").read_text()
    documented = {words[0] for path in documents() for words in commands(path.read_text(), "make")}

    assert {"start", "test"} <= documented
    assert [target for target in documented if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []
