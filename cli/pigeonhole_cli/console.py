"""What several commands print: lines to standard error, tables, times, texts of others."""

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


def date(moment: str | None) -> str:
    """A time of the API's, to the minute."""
    return f"{moment[:10]} {moment[11:16]} UTC" if moment else "-"


def one_line(text: str) -> str:
    """A text without what would break its line or steer a terminal; such characters are written as Python does."""
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text)
