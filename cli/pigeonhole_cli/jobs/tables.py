"""The printed forms of a job: a summary, a table, result lines, an exit code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pigeonhole.contract.jobs import JobInfo, JobResponse, JobStatus, WebhookInfo
from pigeonhole.jobs.job import ENDED
from pigeonhole_cli.console import format_table, format_time, one_line, plural

EXIT_NO_RESULT, EXIT_SOME_ERRORS, EXIT_INTERRUPTED = 3, 4, 130
EXIT_CODES = """\b
Exit codes:
  0    success
  1    the command failed
  2    the arguments are wrong
  3    the job failed or was canceled
  4    the job succeeded, but some samples have errors
  130  interrupted; the job keeps running"""


def exit_code(job: JobInfo) -> int:
    """Return the exit code for a job's status. A job that hasn't ended has 0."""
    if job.status in (JobStatus.FAILED, JobStatus.CANCELED):
        return EXIT_NO_RESULT
    return EXIT_SOME_ERRORS if job.status is JobStatus.SUCCEEDED and job.progress.failed else 0


def summary_line(job: JobInfo) -> str:
    """Return one line with a job's status and how many of its samples are done."""
    counts = job.progress
    done = counts.succeeded + counts.failed
    errors = f", {counts.failed} with an error" if counts.failed else ""
    return f"Job {job.id} {_status_phrase(job.status)}: {done} of {plural(counts.total, 'sample')} done{errors}."


def job_lines(job: JobInfo) -> Iterator[str]:
    """Yield a job's properties, one per line."""
    counts = job.progress
    return format_table(
        [
            ("job", job.id),
            ("status", job.status),
            ("samples", f"{_total_phrase(job)}: {counts.succeeded} with a result, {counts.failed} with an error"),
            ("created", format_time(job.created_at)),
            ("started", format_time(job.started_at)),
            ("finished", format_time(job.finished_at)),
            ("kept until", format_time(job.expires_at)),
            *([("label set", f"{job.label_set.name} version {job.label_set.version}")] if job.label_set else []),
            *([("webhook", _webhook_phrase(job.webhook))] if job.webhook else []),
        ]
    )


def result_lines(answer: JobResponse) -> Iterator[str]:
    """Yield a line for each finished sample: its number, a tab and its labels, or two tabs and its error.

    For a job with questions, yield such a line for each question, with its name and a tab before the labels. For a bulk job,
    yield a line for each of the first files of its results: its name, its rows and its address.
    """
    if answer.results:
        for file in (*answer.results.parts, *answer.results.errors):
            yield f"{file.name}\t{file.rows}\t{file.url}"
    errors = {fault.index: f"{fault.code}: {fault.message}" for fault in answer.errors or ()}
    if isinstance(answer.predictions, dict):
        for index, named in enumerate(zip(*answer.predictions.values(), strict=True)):
            for name, prediction in zip(answer.predictions, named, strict=True):
                yield "\t".join((str(index), one_line(name), *_cells(prediction, errors.get(index, ""))))
        return
    for index, prediction in enumerate(answer.predictions or ()):
        yield "\t".join((str(index), *_cells(prediction, errors.get(index, ""))))


def _cells(prediction: str | list[str] | None, error: str) -> tuple[str, ...]:
    labels = [prediction] if isinstance(prediction, str) else prediction
    return tuple(map(one_line, (",".join(labels),) if labels is not None else ("", error)))


def job_table(jobs: Sequence[JobInfo]) -> Iterator[str]:
    """Yield a table with a row per job."""
    rows: list[tuple[str, ...]] = [("JOB", "STATUS", "SAMPLES", "DONE", "ERRORS", "CREATED")]
    for job in jobs:
        counts = job.progress
        numbers = (counts.total, counts.succeeded + counts.failed, counts.failed)
        rows.append((job.id, job.status, *map(str, numbers), format_time(job.created_at)))
    return format_table(rows)


def _total_phrase(job: JobInfo) -> str:
    is_counted = job.progress.total or job.status in ENDED
    return str(job.progress.total) if is_counted else "not counted yet"


def _webhook_phrase(webhook: WebhookInfo) -> str:
    """Return the delivery's status with the outcome of the last attempt."""
    if not webhook.attempts:
        return webhook.status
    last = webhook.attempts[-1]
    outcome = last.error or (f"HTTP {last.status}" if last.status else "under way")
    retry = f"; tried again at {format_time(webhook.next_at)}" if webhook.next_at else ""
    return one_line(f"{webhook.status}, try {len(webhook.attempts)} at {format_time(last.at)}: {outcome}{retry}")


def _status_phrase(status: JobStatus) -> str:
    if status in (JobStatus.SUCCEEDED, JobStatus.FAILED):
        return status
    return f"was {status}" if status in ENDED else f"is {status}"
