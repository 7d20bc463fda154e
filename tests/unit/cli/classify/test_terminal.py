"""What a terminal shows of `pigeonhole classify`: a table with bars, and a progress bar for more than a few samples."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from rich.console import Console

from pigeonhole.client import Result
from pigeonhole.contract.classification import LabelScore, SampleFault
from pigeonhole_cli.classify.engine import Classified
from pigeonhole_cli.classify.output import BAR_CELLS, draw_bar, to_table
from pigeonhole_cli.classify.samples import CommandSample
from support.cli.api_server import read_terminal
from support.cli.classify_api import ClassifyApi

LABELS = ("--label", "red", "--label", "green")


def result(index: int, *chosen: str, **probabilities: float) -> Result:
    scores = [LabelScore(label=label, probability=value, similarity=0.5) for label, value in probabilities.items()]
    return Result(index, chosen, tuple(scores))


def lines(names: Sequence[str], results: Sequence[Result], *, width: int = 60, **options: Any) -> list[str]:
    samples = [CommandSample(name, "image" if name.endswith(".png") else "text", name) for name in names]
    console = Console(file=io.StringIO(), width=width)
    console.print(to_table(Classified(samples, results), **{"scores": False, "width": width, **options}))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_a_row_has_the_label_with_a_bar() -> None:
    rows = lines(["a.png", "b.png"], [result(0, "cat", cat=0.75, dog=0.25), result(1, "dog", dog=1.0, cat=0.0)])

    assert rows == [
        "a.png  cat  ███████████████        75.0%",
        "b.png  dog  ████████████████████  100.0%",
    ]


def test_with_scores_each_label_has_a_row() -> None:
    rows = lines(["a.png"], [result(0, "cat", cat=0.75, dog=0.25)], scores=True)

    assert [row.split() for row in rows] == [["a.png", "cat", "█" * 15, "75.0%"], ["dog", "█" * 5, "25.0%"]]


def test_a_sample_without_a_label_and_one_with_an_error_say_so() -> None:
    error = Result(1, (), error=SampleFault(index=1, code="unreadable_image", message="no"))

    assert lines(["a.png", "b.png"], [result(0, cat=0.1), error]) == ["a.png  no label reaches the threshold", "b.png  error"]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_names_are_shortened_so_that_a_row_fits(width: int) -> None:
    names = ["folder/" * 30 + "a.png", "a text " * 30]
    rows = lines(names, [result(index, "motorcycle", motorcycle=1.0) for index in range(2)], width=width)

    assert len(rows) == 2
    assert all(len(row) <= width for row in rows)
    assert "a.png" in rows[0]
    assert all(row.endswith("100.0%") for row in rows)
    assert rows[1].startswith("a text")


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_long_label_is_shortened_and_never_wraps(width: int) -> None:
    label = "a label that is far longer than a line of the terminal, and says so"
    rows = lines(["a.png"], [result(0, label, **{label: 1.0})], width=width)

    assert len(rows) == 1
    assert len(rows[0]) <= width
    assert rows[0].endswith("100.0%")


@pytest.mark.parametrize(("probability", "bar"), [(0.0, ""), (0.5, "█" * 10), (0.50625, "█" * 10 + "▏"), (1.0, "█" * 20)])
def test_a_bar_grows_by_eighths_of_a_cell(probability: float, bar: str) -> None:
    assert draw_bar(probability) == bar.ljust(BAR_CELLS)


def run_in_terminal(api: ClassifyApi, *arguments: str) -> tuple[str, str, int]:
    """Run the command with one terminal for its output and another for its messages, and return both."""
    (out, output), (err, errors) = pty.openpty(), pty.openpty()
    environment = os.environ | api.environment | {"TERM": "xterm", "COLUMNS": "80", "LANG": "C.UTF-8"}
    command = [sys.executable, "-m", "pigeonhole_cli", "classify", *arguments]
    with subprocess.Popen(command, env=environment, stdin=errors, stdout=output, stderr=errors) as process:
        os.close(output)
        os.close(errors)
        printed, said = read_terminal(out), read_terminal(err)
    return printed, said, process.returncode


def test_a_terminal_shows_a_table_and_no_progress_of_a_few(classify_api: ClassifyApi) -> None:
    printed, said, exit_code = run_in_terminal(classify_api, "a red car", "faulty", *LABELS)

    assert "█" * 15 in printed
    assert "75.0%" in printed
    assert "\t" not in printed
    assert said.splitlines() == ["faulty: it is faulty", "1 sample of 2 could not be classified."]
    assert exit_code == 4


def test_a_terminal_shows_the_progress_of_many(classify_api: ClassifyApi) -> None:
    printed, said, exit_code = run_in_terminal(classify_api, *(f"red {number}" for number in range(40)), *LABELS)

    assert printed.count("75.0%") == 40
    assert "40/40" in said
    assert exit_code == 0


def test_a_terminal_without_samples_is_told_what_to_name(classify_api: ClassifyApi) -> None:
    _, said, exit_code = run_in_terminal(classify_api, *LABELS)

    assert "name texts, files, folders or addresses" in said
    assert exit_code == 2
