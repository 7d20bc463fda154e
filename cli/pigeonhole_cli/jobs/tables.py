"""A job as the command line shows it: in words, its results line by line, and as an exit code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pigeonhole.contract.jobs import JobInfo, JobResponse, JobStatus, WebhookInfo
from pigeonhole.jobs.job import ENDED
from pigeonhole_cli.console import date, one_line, table

NO_RESULT, SOME_ERRORS, INTERRUPTED = 3, 4, 130
EXIT_CODES = """\b
Exit codes:
  0    all well
  1    the command failed
  2    it was called wrongly
  3    the job failed or was canceled
  4    the job succeeded, but some samples have errors
  130  interrupted; the job goes on"""


def exit_code(job: JobInfo) -> int:
    """What a job's state says to whoever called; 0 as long as it hasn't ended."""
    if job.status in (JobStatus.FAILED, JobStatus.CANCELED):
        return NO_RESULT
    return SOME_ERRORS if job.status is JobStatus.SUCCEEDED and job.progress.failed else 0


def summary(job: JobInfo) -> str:
    """One line: what state a job is in, and how many of its samples are done."""
    counts = job.progress
    done = counts.succeeded + counts.failed
    errors = f", {counts.failed} with an error" if counts.failed else ""
    return f"Job {job.id} {_is(job.status)}: {done} of {samples(counts.total)} done{errors}."


def facts(job: JobInfo) -> Iterator[str]:
    """What is known of a job, a line each."""
    counts = job.progress
    return table(
        [
            ("job", job.id),
            ("status", job.status),
            ("samples", f"{counts.total}: {counts.succeeded} with a result, {counts.failed} with an error"),
            ("created", date(job.created_at)),
            ("started", date(job.started_at)),
            ("finished", date(job.finished_at)),
            ("kept until", date(job.expires_at)),
            *([("label set", f"{job.label_set.name} version {job.label_set.version}")] if job.label_set else []),
            *([("webhook", _told(job.webhook))] if job.webhook else []),
        ]
    )


def _told(webhook: WebhookInfo) -> str:
    """How telling a job's end went, the last try's outcome with it."""
    if not webhook.attempts:
        return webhook.status
    last = webhook.attempts[-1]
    outcome = last.error or (f"HTTP {last.status}" if last.status else "under way")
    again = f"; tried again at {date(webhook.next_at)}" if webhook.next_at else ""
    return one_line(f"{webhook.status}, try {len(webhook.attempts)} at {date(last.at)}: {outcome}{again}")


def results(answer: JobResponse) -> Iterator[str]:
    """A line for each sample that something became of: its number and its labels; or its number, nothing and its error."""
    errors = {fault.index: f"{fault.code}: {fault.message}" for fault in answer.errors or ()}
    for index, prediction in enumerate(answer.predictions or ()):
        chosen = [prediction] if isinstance(prediction, str) else prediction
        cells = (",".join(chosen),) if chosen is not None else ("", errors.get(index, ""))
        yield "\t".join((str(index), *map(one_line, cells)))


def overview(jobs: Sequence[JobInfo]) -> Iterator[str]:
    """A table of jobs."""
    rows: list[tuple[str, ...]] = [("JOB", "STATUS", "SAMPLES", "DONE", "ERRORS", "CREATED")]
    for job in jobs:
        counts = job.progress
        numbers = (counts.total, counts.succeeded + counts.failed, counts.failed)
        rows.append((job.id, job.status, *map(str, numbers), date(job.created_at)))
    return table(rows)


def _is(status: JobStatus) -> str:
    return (
        status if status in (JobStatus.SUCCEEDED, JobStatus.FAILED) else f"was {status}" if status in ENDED else f"is {status}"
    )


def samples(count: int) -> str:
    """A number of samples in words."""
    return f"{count} sample{'' if count == 1 else 's'}"
