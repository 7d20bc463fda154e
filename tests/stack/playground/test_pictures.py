"""benchmarks/pictures.py: the README's table of answers is what the stack answers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pictures
from support.stack.deployment import Deployment


def answers(table: str) -> list[str]:
    """Return each photo with its best label. Probabilities, and so the next label, differ slightly between processors."""
    return re.findall(r"^\| (\S+ \| \*\*[^*]+\*\*)", table, re.MULTILINE)


def test_the_readme_shows_what_the_stack_answers(deployed: Deployment) -> None:
    shown = pictures.TABLE.search(pictures.README.read_text("utf-8"))
    assert shown

    assert len(answers(shown[0])) == len(pictures.NAMES)
    assert answers(shown[0]) == answers(pictures.answer_table(pictures.read_answers(deployed.url, deployed.key)))


def test_a_row_has_the_best_label_and_the_next() -> None:
    scores = [{"label": "cup of coffee", "probability": 0.664}, {"label": "other", "probability": 0.3}]

    table = pictures.answer_table([scores] * len(pictures.NAMES))

    assert table.splitlines()[2] == "| cat.png | **cup of coffee** 66% | other 30% |"


def test_a_command_that_fails_gives_no_picture(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="pigeonhole classify missing"):
        pictures.run("pigeonhole classify missing.jpg", str(tmp_path), "http://127.0.0.1:9", "")
