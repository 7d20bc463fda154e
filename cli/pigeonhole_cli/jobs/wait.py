"""Wait for a job's end, with a progress bar on a terminal, and print its results."""

from __future__ import annotations

import sys
import time

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


def wait_for_job(jobs: JobsClient, job_id: str) -> JobAnswer:
    """Return a job with its results once it has ended.

    Raises:
        ApiError: The API failed.
    """
    wait_s = BAR_POLL_S if sys.stderr.isatty() else LONG_POLL_S
    with progress_bar() as bar:
        answer = jobs.get(job_id)
        while answer.body.job.status not in ENDED:
            _show(answer.body.job, bar)
            started = time.monotonic()
            answer = jobs.get(job_id, wait_s)
            if answer.body.job.status not in ENDED and time.monotonic() - started < MIN_INTERVAL_S:
                jobs.client.sleep(MIN_INTERVAL_S)
        _show(answer.body.job, bar)
        return jobs.fetch_results(answer)


def wait_and_print(jobs: JobsClient, job_id: str, *, as_json: bool) -> None:
    """Wait for a job's end, print its results and end the command."""
    try:
        answer = wait_for_job(jobs, job_id)
    except KeyboardInterrupt:
        say("Interrupted; the job keeps running.")
        say(f"  Wait again:  pigeonhole jobs wait {job_id}")
        say(f"  Cancel it:   pigeonhole jobs cancel {job_id}")
        raise typer.Exit(tables.EXIT_INTERRUPTED) from None
    job, lines = answer.body.job, list(tables.result_lines(answer.body))
    if as_json:
        print_json(answer.raw)
    elif lines:
        typer.echo("\n".join(lines))
    for warning in answer.body.warnings or ():
        say(f"warning: {one_line(warning)}")
    say(tables.summary_line(job))
    raise typer.Exit(tables.exit_code(job))


def _show(job: JobInfo, bar: ProgressBar) -> None:
    counts = job.progress
    bar.show(job.status, counts.succeeded + counts.failed, counts.total, counts.failed)
