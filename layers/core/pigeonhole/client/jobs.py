"""Submit jobs, wait for their end, and read their results."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import quote

from pigeonhole.client.batches import MAX_BODY_BYTES
from pigeonhole.client.errors import ClientError, JobNotEnded
from pigeonhole.client.exchange import call, parse
from pigeonhole.client.fields import Labels, check_samples, to_json
from pigeonhole.client.flow import Flow, HttpRequest, parallel, pause, read, send
from pigeonhole.client.images import ImageSource, read_image, to_data_url
from pigeonhole.client.labels import to_label_fields
from pigeonhole.client.results import Job, Result, Results, sum_usage, to_named_results, to_results
from pigeonhole.client.uploads import JSON_HEADERS, upload_image
from pigeonhole.contract.jobs import JOBS, JobInfo, JobResponse, JobsResponse, JobStatus

ENDED = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELED})
PAGE_SIZE = 100  # the largest page of a listing
LONG_POLL_S = 20
MIN_INTERVAL_S = 1.0  # between two requests, in case a proxy answers without waiting
LABEL_BYTES = 500_000  # of a request's body, left for labels
SAMPLE_BYTES = 100  # of an image sample as JSON, its value aside
OnJob: TypeAlias = Callable[[JobInfo], None]
Samples: TypeAlias = Flow[list[dict[str, str]]]


def text_samples(texts: Sequence[str]) -> Samples:
    """Return the samples of texts.

    Raises:
        TypeError: There is one string in place of a list.
    """
    check_samples(texts)
    yield from ()
    return [{"type": "text", "value": text} for text in texts]


def image_samples(images: Sequence[ImageSource]) -> Samples:
    """Return the samples of images. Files that are too large together for a request are uploaded.

    Raises:
        TypeError: There is one string in place of a list, or the bytes of one file.
        UnreadableImage: An image can't be read.
        ClientError: An upload failed.
    """
    check_samples(images)
    values = yield from read(lambda: _inline(images))
    if values is None:
        values = yield from parallel(_to_address(image) for image in images)
    return [{"type": "image", "value": value} for value in values]


def submit(
    samples: Samples,
    labels: Labels | None,
    label_set: str | None,
    options: Mapping[str, Any],
    *,
    webhook_url: str | None,
    idempotency_key: str | None,
) -> Flow[Job]:
    """Submit samples as a job.

    Args:
        samples: The samples.
        labels: The labels to choose from.
        label_set: The name of a saved label set, in place of labels.
        options: The options of the request.
        webhook_url: Gets a signed POST when the job ends.
        idempotency_key: The same key and samples return the same job. Without one, only the attempts of this call do.
    """
    fields = yield from to_label_fields(labels, label_set, options)
    dataset = yield from samples
    body = to_json({"scores": True, **fields, "dataset": dataset, "webhook_url": webhook_url})
    headers = {**JSON_HEADERS, "idempotency-key": idempotency_key or str(uuid.uuid4())}
    answer = yield from call(JobResponse, HttpRequest("POST", JOBS, headers=headers, content=body))
    return to_job(answer)


def get(job_id: str, *, wait_s: int = 0) -> Flow[Job]:
    """Return a job and, once it has ended, its results. The API waits up to `wait_s` for the end."""
    params = {"wait": wait_s} if wait_s else {}
    answer = yield from call(JobResponse, HttpRequest("GET", _path(job_id), params=params))
    if answer.results_url is None:
        return to_job(answer)
    response = yield from send(HttpRequest("GET", answer.results_url))
    if not 200 <= response.status < 300:
        raise ClientError(f"The results of job {job_id} can't be fetched (HTTP {response.status}). Read the job again.")
    return to_job(parse(JobResponse, response))


def wait(
    job_id: str, *, timeout_s: float, on_job: OnJob | None = None, clock: Callable[[], float] = time.monotonic
) -> Flow[Job]:
    """Return a job once it has ended.

    Args:
        job_id: The job.
        timeout_s: The longest time to wait.
        on_job: Called with each state of the job.
        clock: Tells the time in seconds.

    Raises:
        JobNotEnded: The time is over.
    """
    end_s = clock() + timeout_s
    job = yield from get(job_id)
    while True:
        if on_job is not None:
            on_job(job.info)
        if job.info.status in ENDED:
            return job
        started_s = clock()
        if started_s >= end_s:
            raise JobNotEnded(
                f"Job {job_id} is still {job.info.status} after {timeout_s:g} s. It continues: wait for it again."
            )
        job = yield from get(job_id, wait_s=max(1, min(LONG_POLL_S, round(end_s - started_s))))
        if job.info.status not in ENDED and clock() - started_s < MIN_INTERVAL_S:
            yield from pause(MIN_INTERVAL_S)


def list_newest(limit: int, status: JobStatus | str | None) -> Flow[list[JobInfo]]:
    """Return up to `limit` jobs, newest first.

    Args:
        limit: The largest number of jobs.
        status: Only jobs with this status.
    """
    found: list[JobInfo] = []
    cursor: str | None = None
    while len(found) < limit:
        given = {"limit": min(PAGE_SIZE, limit - len(found)), "status": status and str(status), "cursor": cursor}
        params = {name: value for name, value in given.items() if value is not None}
        page = yield from call(JobsResponse, HttpRequest("GET", JOBS, params=params))
        found += page.jobs
        cursor = page.cursor
        if cursor is None:
            break
    return found


def cancel(job_id: str) -> Flow[Job]:
    """Cancel a job. If the first attempt succeeded, a second one would be refused."""
    answer = yield from call(JobResponse, HttpRequest("DELETE", _path(job_id), is_repeatable=False))
    return to_job(answer)


def to_job(answer: JobResponse) -> Job:
    """Convert an answer about a job."""
    if answer.predictions is None:
        return Job(answer.job, files=answer.results)
    if isinstance(answer.predictions, list):
        scores = answer.scores if isinstance(answer.scores, list) else None
        results = to_results(answer.predictions, scores, answer.errors, range(len(answer.predictions)))
        return Job(answer.job, _to_results(answer, results))
    named_scores = answer.scores if isinstance(answer.scores, dict) else None
    indices = range(answer.job.progress.total)
    named = to_named_results(answer.predictions, named_scores, answer.errors, indices)
    return Job(answer.job, answers={name: _to_results(answer, results) for name, results in named.items()})


def _to_results(answer: JobResponse, results: Sequence[Result]) -> Results:
    return Results(
        items=tuple(results),
        warnings=tuple(answer.warnings or ()),
        usage=sum_usage([answer.usage] if answer.usage else []),
        log_ids=(answer.log_id,),
    )


def _inline(images: Sequence[ImageSource]) -> list[str] | None:
    """Return the value of each image, None if they are too large together for a request."""
    values, size_bytes = [], 0
    for source in images:
        image = read_image(source)
        values.append(image if isinstance(image, str) else to_data_url(image))
        size_bytes += len(values[-1]) + SAMPLE_BYTES
        if size_bytes > MAX_BODY_BYTES - LABEL_BYTES:
            return None
    return values


def _to_address(source: ImageSource) -> Flow[str]:
    image = yield from read(lambda: read_image(source))
    return image if isinstance(image, str) else (yield from upload_image(image))


def _path(job_id: str) -> str:
    return f"{JOBS}/{quote(job_id, safe='')}"
