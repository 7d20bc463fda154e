"""The printed forms of results: a table with bars, tab-separated lines, CSV, JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pigeonhole.client import Result
from pigeonhole_cli.classify.engine import Classified
from pigeonhole_cli.classify.samples import CommandSample
from pigeonhole_cli.console import one_line

if TYPE_CHECKING:
    from rich.table import Table

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet runs a text that begins with one of them
BAR_CELLS, NARROW_BAR_CELLS = 20, 5
NARROW_CHARS = 60  # of a terminal that gets narrow bars
EIGHTHS = " ▏▎▍▌▋▊▉"  # of a cell
MIN_CHARS = 10  # of a name or a label in the table
OTHER_CELLS = 14  # of a row of the table: the number, and the space between columns


def to_lines(classified: Classified, *, scores: bool) -> Iterator[str]:
    """Yield a line for each sample: its name, a tab, its labels, a tab, the probability of the best one.

    With `scores`, a field `label=probability` follows for each label. A sample with an error has empty fields, then a tab and
    the error.
    """
    for sample, result in zip(classified.samples, classified.results, strict=True):
        cells = [sample.name, *_cells(result)]
        if result.error is None:
            cells.pop()
        if scores:
            cells += [f"{score.label}={score.probability:.6f}" for score in result.scores or ()]
        yield "\t".join(map(one_line, cells))


def to_csv(classified: Classified, *, scores: bool) -> str:
    """Return CSV with a header. With `scores`, a column for the probability of each label follows.

    A text that a spreadsheet would run as a formula gets an apostrophe before it.
    """
    found = [{score.label: score.probability for score in result.scores or ()} for result in classified.results]
    labels = list(dict.fromkeys(label for by_label in found for label in sorted(by_label))) if scores else []
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["sample", "label", "probability", "error", *map(_no_formula, labels)])
    for sample, result, by_label in zip(classified.samples, classified.results, found, strict=True):
        texts = map(_no_formula, [sample.name, *_cells(result)])
        writer.writerow([*texts, *(by_label.get(label, "") for label in labels)])
    return text.getvalue()


def to_json(classified: Classified, *, scores: bool) -> dict[str, Any]:
    """Return the JSON object of `--json`."""
    return {
        "results": [
            {
                "sample": sample.name,
                "type": sample.type,
                "labels": list(result.labels),
                "probability": result.probability,
                **({"scores": [score.model_dump() for score in result.scores or ()]} if scores else {}),
                "error": result.error and {"code": result.error.code, "message": result.error.message},
            }
            for sample, result in zip(classified.samples, classified.results, strict=True)
        ],
        "warnings": list(classified.warnings),
    }


def to_table(classified: Classified, *, scores: bool, width: int) -> Table:
    """Return a table with a bar for each label.

    Args:
        classified: The results.
        scores: Whether all labels have a row, and not only the chosen ones.
        width: The width of the terminal. Labels and names are shortened so that a row fits into it.
    """
    from rich.table import Table
    from rich.text import Text

    labels = [score.label for result in classified.results for score in result.scores or ()]
    cells = BAR_CELLS if width >= NARROW_CHARS else NARROW_BAR_CELLS
    free = width - cells - OTHER_CELLS
    label_chars = min(max(map(len, labels), default=0), max(MIN_CHARS, free // 2))
    name_chars = max(MIN_CHARS, free - label_chars)
    table = Table.grid(padding=(0, 2))
    for _ in range(4):
        table.add_column(no_wrap=True, overflow="ellipsis")  # on a terminal that is too narrow for all this
    for sample, result in zip(classified.samples, classified.results, strict=True):
        name = _shorten(sample, name_chars)
        if result.error is not None:
            table.add_row(Text(name), Text("error", style="red"))
        for row, (label, probability, is_chosen) in enumerate(_rows(result, scores=scores)):
            style = "bold" if is_chosen else "dim"
            bar = Text(draw_bar(probability, cells), style="green" if is_chosen else "dim")
            shown = _cut(one_line(label), label_chars)
            table.add_row(Text(name if not row else ""), Text(shown, style=style), bar, f"{probability:6.1%}")
        if result.error is None and not result.labels and not scores:
            table.add_row(Text(name), Text("no label reaches the threshold", style="dim"))
    return table


def error_lines(classified: Classified) -> Iterator[str]:
    """Yield a line for each sample with an error, for which the table has no room."""
    for sample, result in zip(classified.samples, classified.results, strict=True):
        if result.error is not None:
            yield f"{one_line(sample.name)}: {one_line(result.error.message)}"


def draw_bar(probability: float, cells: int = BAR_CELLS) -> str:
    """Return a bar of up to `cells` cells, in steps of an eighth of a cell."""
    eighths = round(probability * cells * 8)
    return ("█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()).ljust(cells)


def _cells(result: Result) -> list[str]:
    """Return labels, probability and error as texts."""
    probability = "" if result.probability is None else f"{result.probability:.6f}"
    error = "" if result.error is None else f"{result.error.code}: {result.error.message}"
    return [",".join(result.labels), probability, error]


def _no_formula(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_SIGNS) else text


def _rows(result: Result, *, scores: bool) -> list[tuple[str, float, bool]]:
    """Return label, probability, and whether the label is chosen."""
    found: Sequence[Any] = result.scores or ()
    rows = [(score.label, score.probability, score.label in result.labels) for score in found]
    return [row for row in rows if scores or row[2]]


def _shorten(sample: CommandSample, most: int) -> str:
    """Return a name of at most `most` characters: the end of a path or an address, the beginning of a text."""
    name = one_line(sample.name)
    return f"…{name[1 - most :]}" if sample.type == "image" and len(name) > most else _cut(name, most)


def _cut(text: str, most: int) -> str:
    """Return the beginning of a text, of at most `most` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
