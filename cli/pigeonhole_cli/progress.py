"""How far something is: a bar where somebody looks, nothing where nobody does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pigeonhole_cli.console import say


@dataclass(frozen=True)
class Bar:
    """`show`: what is being done, how many are done, of how many, and how many of those with an error; `say`: prints a line to
    standard error, above the bar."""

    show: Callable[[str, int, int, int], None]
    say: Callable[[str], None]


@contextmanager
def opened_bar() -> Iterator[Bar]:
    """A bar on standard error, if that is a terminal, that goes when all is done."""
    if not sys.stderr.isatty():
        yield Bar(lambda doing, done, total, failed: None, say)
        return
    # Here and not above: few commands draw one.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[errors]}")
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("asking", total=None, errors="")

        def show(doing: str, done: int, total: int, failed: int) -> None:
            errors = f"{failed} with an error" if failed else ""
            progress.update(task, description=doing, total=total, completed=done, errors=errors)

        # Typer's echo finds its way around what rich puts in the place of standard error.
        yield Bar(show, lambda line: progress.console.out(line, highlight=False))
