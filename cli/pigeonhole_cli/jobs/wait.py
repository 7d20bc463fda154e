"""Wait for a job's end, with a bar where somebody looks."""

from __future__ import annotations

import sys
import time

from pigeonhole.contract.jobs import JobInfo
from pigeonhole.jobs.job import ENDED
from pigeonhole_cli.jobs.client import JobsApi, JobTold
from pigeonhole_cli.progress import Bar, opened_bar

LONG_POLL_S = 20
LIVE_S = 2  # an answer comes at a job's end or when its time is up, and a bar that stands still for 20 s tells nothing
SHORTEST_S = 1.0  # between two questions, where something on the way doesn't wait


def wait_for(jobs: JobsApi, job_id: str) -> JobTold:
    """The job once it has ended, its results with it, however large. Raises ApiError."""
    wait_s = LIVE_S if sys.stderr.isatty() else LONG_POLL_S
    with opened_bar() as bar:
        told = jobs.read(job_id)
        while told.answer.job.status not in ENDED:
            _show(told.answer.job, bar)
            began = time.monotonic()
            told = jobs.read(job_id, wait_s)
            if told.answer.job.status not in ENDED and time.monotonic() - began < SHORTEST_S:
                jobs.api.sleep(SHORTEST_S)
        _show(told.answer.job, bar)
        return jobs.whole(told)


def _show(job: JobInfo, bar: Bar) -> None:
    counts = job.progress
    bar.show(job.status, counts.succeeded + counts.failed, counts.total, counts.failed)
