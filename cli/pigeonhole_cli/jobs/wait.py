"""Wait for a job's end, with a progress bar on a terminal, and print its results."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from pigeonhole.contract.jobs import JobInfo
from pigeonhole.jobs.job import ENDED
from pigeonhole_cli.api_options import print_json
from pigeonhole_cli.console import one_line, say
from pigeonhole_cli.jobs import tables
from pigeonhole_cli.jobs.client import JobAnswer, JobsClient
from pigeonhole_cli.progress import ProgressBar, progress_bar

LONG_POLL_S = 20
BAR_POLL_S = 2  # a shorter long poll, so that the bar moves
MIN_INTERVAL_S = 1.0  # between two requests, in case a proxy answers without waiting


ShowJob = Callable[[JobInfo], None]
ShowJobOn = Callable[[ProgressBar], ShowJob]


def _show_counts_on(bar: ProgressBar) -> ShowJob:
    def show(job: JobInfo) -> None:
        counts = job.progress
        bar.show(job.status, counts.succeeded + counts.failed, counts.total, counts.failed)

    return show


def wait_for_job(jobs: JobsClient, job_id: str, show_on: ShowJobOn = _show_counts_on) -> JobAnswer:
    """Return a job with its results once it has ended.

    Args:
        jobs: The API.
        job_id: The job.
        show_on: Returns what shows each state of the job on a bar.

    Raises:
        ApiError: The API failed.
    """
    wait_s = BAR_POLL_S if sys.stderr.isatty() else LONG_POLL_S
    with progress_bar() as bar:
        show = show_on(bar)
        answer = jobs.get(job_id)
        while answer.body.job.status not in ENDED:
            show(answer.body.job)
            started = time.monotonic()
            answer = jobs.get(job_id, wait_s)
            if answer.body.job.status not in ENDED and time.monotonic() - started < MIN_INTERVAL_S:
                jobs.client.sleep(MIN_INTERVAL_S)
        show(answer.body.job)
        return jobs.fetch_results(answer)


def wait_and_print(jobs: JobsClient, job_id: str, *, as_json: bool, show_on: ShowJobOn = _show_counts_on) -> None:
    """Wait for a job's end, print its results and end the command."""
    with report_interrupt(f"pigeonhole jobs wait {job_id}", f"pigeonhole jobs cancel {job_id}"):
        answer = wait_for_job(jobs, job_id, show_on)
    job, lines = answer.body.job, list(tables.result_lines(answer.body))
    if as_json:
        print_json(answer.raw)
    elif lines:
        typer.echo("\n".join(lines))
    for warning in answer.body.warnings or ():
        say(f"warning: {one_line(warning)}")
    say(tables.summary_line(job))
    raise typer.Exit(tables.exit_code(job))


@contextmanager
def report_interrupt(wait_command: str, cancel_command: str) -> Iterator[None]:
    """After Ctrl-C, say that the job keeps running, and end the command."""
    try:
        yield
    except KeyboardInterrupt:
        say("Interrupted; the job keeps running.")
        say(f"  Wait again:  {wait_command}")
        say(f"  Cancel it:   {cancel_command}")
        raise typer.Exit(tables.EXIT_INTERRUPTED) from None
