"""Wait for a job's end, with a progress bar on a terminal."""

from __future__ import annotations

import sys
import time

from pigeonhole.contract.jobs import JobInfo
from pigeonhole.jobs.job import ENDED
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


def _show(job: JobInfo, bar: ProgressBar) -> None:
    counts = job.progress
    bar.show(job.status, counts.succeeded + counts.failed, counts.total, counts.failed)
