"""Evaluate one model: run its tasks with a progress bar on a terminal."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Task as Bar
from rich.text import Text

from pigeonhole.inference.classifier import Classifier, Options
from pigeonhole_cli.evaluation.classifier import describe_model
from pigeonhole_cli.evaluation.evaluation import Evaluation
from pigeonhole_cli.evaluation.item import DataError
from pigeonhole_cli.evaluation.run import run_task
from pigeonhole_cli.evaluation.tasks import Task


def evaluate_model(
    tasks: Sequence[Task],
    classifier: Classifier,
    options: Options,
    *,
    name: str,
    folder: Path,
    data: Sequence[Path],
    limit: int | None,
    seed: int,
    workers: int,
) -> Evaluation:
    """Run tasks through one model, with a progress bar on a terminal.

    Args:
        tasks: The tasks.
        classifier: The model's classifier.
        options: The request's options.
        name: The model's name in tables and folders.
        folder: The model's artifact folder.
        data: The paths of the data set.
        limit: The number of random samples of each task.
        seed: The seed of the random samples.
        workers: The number of images that are decoded concurrently.

    Raises:
        DataError: No item could be read.
    """
    started = time.perf_counter()
    with _progress() as progress:
        bar = progress.add_task(name, total=sum(len(task.items) for task in tasks))
        answers = tuple(
            run_task(task, classifier, options, on_progress=lambda count: progress.advance(bar, count), workers=workers)
            for task in tasks
        )
    faults = [fault for task_answers in answers for fault in task_answers.faults]
    if not any(task_answers.answered for task_answers in answers):
        raise DataError(f"none of the {len(faults)} samples could be read; the first, {faults[0].where}: {faults[0].message}")
    return Evaluation(
        name=name,
        folder=str(folder),
        model=describe_model(classifier),
        options=options,
        data=tuple(data),
        limit=limit,
        seed=seed,
        answers=answers,
        seconds=time.perf_counter() - started,
        command=shlex.join(["pigeonhole", *sys.argv[1:]]),
    )


class _Rate(ProgressColumn):
    """The items per second over the last half minute."""

    def render(self, task: Bar) -> Text:
        """Format the rate."""
        return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="progress.data.speed")


def _progress() -> Progress:
    """Create a progress bar on standard error. Without a terminal nothing is drawn."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
