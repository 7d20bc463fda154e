"""Wait for a job's end, with a bar where somebody looks."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pigeonhole.contract_jobs import JobInfo
from pigeonhole.jobs import ENDED
from pigeonhole_cli.jobs.api import JobsApi, JobTold

LONG_POLL_S = 20
LIVE_S = 2  # an answer comes at a job's end or when its time is up, and a bar that stands still for 20 s tells nothing
SHORTEST_S = 1.0  # between two questions, where something on the way doesn't wait


def wait_for(jobs: JobsApi, job_id: str) -> JobTold:
    """The job once it has ended, its results with it, however large. Raises ApiError."""
    is_watched = sys.stderr.isatty()
    wait_s = LIVE_S if is_watched else LONG_POLL_S
    with _bar() if is_watched else _nothing() as show:
        told = jobs.read(job_id)
        while told.answer.job.status not in ENDED:
            show(told.answer.job)
            began = time.monotonic()
            told = jobs.read(job_id, wait_s)
            if told.answer.job.status not in ENDED and time.monotonic() - began < SHORTEST_S:
                jobs.api.sleep(SHORTEST_S)
        show(told.answer.job)
        return jobs.whole(told)


@contextmanager
def _nothing() -> Iterator[Callable[[JobInfo], None]]:
    yield lambda job: None


@contextmanager
def _bar() -> Iterator[Callable[[JobInfo], None]]:
    """A bar on standard error that goes when all is done."""
    # Here and not above: no other command draws one.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[errors]}")
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("asking", total=None, errors="")

        def show(job: JobInfo) -> None:
            counts = job.progress
            errors = f"{counts.failed} with an error" if counts.failed else ""
            done = counts.succeeded + counts.failed
            progress.update(task, description=job.status, total=counts.total, completed=done, errors=errors)

        yield show
