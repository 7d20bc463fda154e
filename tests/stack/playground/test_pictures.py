"""benchmarks/pictures.py: the README's table of answers is what the stack answers."""

from __future__ import annotations

import re

import pictures
from support.stack.deployment import Deployment


def labels(table: str) -> list[str]:
    """Return the rows without probabilities, which differ slightly between processors."""
    return re.sub(r" \d+%", "", table).splitlines()


def test_the_readme_shows_what_the_stack_answers(deployed: Deployment) -> None:
    shown = pictures.TABLE.search(pictures.README.read_text("utf-8"))
    assert shown

    assert labels(shown[0].strip()) == labels(pictures.answer_table(pictures.read_answers(deployed.url, deployed.key)))


def test_a_row_has_the_best_label_and_the_next() -> None:
    scores = [{"label": "cup of coffee", "probability": 0.664}, {"label": "other", "probability": 0.3}]

    table = pictures.answer_table([scores] * len(pictures.NAMES))

    assert table.splitlines()[2] == "| cat.png | **cup of coffee** 66% | other 30% |"
