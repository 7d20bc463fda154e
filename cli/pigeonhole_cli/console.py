"""Helpers for output: lines on standard error, tables, times, escaped text."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer


def say(line: str) -> None:
    """Print a line to standard error. Standard output holds only the command's result."""
    typer.echo(line, err=True)


def own_command() -> str:
    """Return what a user of this shell types for `pigeonhole`: `make start` runs it from a folder that isn't in the PATH."""
    called, found = Path(sys.argv[0]), shutil.which("pigeonhole")
    in_path = found is not None and Path(found).resolve() == called.resolve()
    return "pigeonhole" if in_path or called.name != "pigeonhole" else sys.argv[0]


def format_table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of a table with aligned columns. The first row is the header."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def format_time(timestamp: str | None) -> str:
    """Format a timestamp of the API to the minute, or `-` for None."""
    return f"{timestamp[:10]} {timestamp[11:16]} UTC" if timestamp else "-"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: `1 file`, `2 files`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def one_line(text: str) -> str:
    """Escape line breaks and terminal control characters, as Python's `repr` does."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
