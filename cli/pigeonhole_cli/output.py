"""What several commands print: lines to standard error, and tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import typer


def say(line: str) -> None:
    """Print a line to standard error, which leaves standard output to what was asked for."""
    typer.echo(line, err=True)


def table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """The lines of a table, the first row its head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
