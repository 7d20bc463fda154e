"""A progress bar on a terminal. Without a terminal no bar is drawn."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from pigeonhole_cli.console import say

if TYPE_CHECKING:
    from rich.progress import Progress


class ProgressBar(Protocol):
    """Shows how many of a number of things are done.

    Attributes:
        is_drawn: Whether there is a terminal to draw on.
    """

    is_drawn: bool

    def show(self, activity: str, done: int, total: int, failed: int) -> None:
        """Update the bar. `failed` counts the done things that have an error."""

    def say(self, line: str) -> None:
        """Print a line to standard error, above the bar."""


class _NoBar:
    """The bar where standard error is not a terminal: only its lines are printed."""

    is_drawn = False

    def show(self, activity: str, done: int, total: int, failed: int) -> None:
        pass

    def say(self, line: str) -> None:
        say(line)


class _TerminalBar:
    """A bar drawn by rich."""

    is_drawn = True

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("asking", total=None, errors="")

    def show(self, activity: str, done: int, total: int, failed: int) -> None:
        errors = f"{failed} with an error" if failed else ""
        self._progress.update(self._task, description=activity, total=total, completed=done, errors=errors)

    def say(self, line: str) -> None:
        # typer.echo would bypass the stream that rich puts in the place of standard error.
        self._progress.console.out(line, highlight=False)


@contextmanager
def progress_bar() -> Iterator[ProgressBar]:
    """Draw a bar on standard error if that is a terminal, and erase it at the end."""
    if not sys.stderr.isatty():
        yield _NoBar()
        return
    # Imported late: few commands draw a bar.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[errors]}")
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as progress:
        yield _TerminalBar(progress)
