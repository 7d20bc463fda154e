"""What crosses HTTP of asynchronous jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from pigeonhole.contract import ClassificationRequest, LabelScore, Model, Sample, SampleFault, Usage
from pigeonhole.errors import Fault
from pigeonhole.jobs import Status

JOBS = "/v1/classification/jobs"
MAX_JOB_SAMPLES = 10_000  # the default of the setting max_job_samples


class JobRequest(ClassificationRequest):
    """The body of `POST /v1/classification/jobs`: as of `POST /v1/classification`, with more samples.

    A sample that can't be read never costs the others theirs: `on_error` is `null`, whatever it says.
    """

    dataset: list[Sample] = Field(
        description="1 to 10,000 samples, all of one type.", json_schema_extra={"minItems": 1, "maxItems": MAX_JOB_SAMPLES}
    )


# What the contract has of jobs and this deployment hasn't; ignored, it would mislead.
LACKING = (
    Fault("input", "this deployment has no bulk jobs: send `dataset`"),
    Fault("webhook_url", "this deployment sends no webhooks: ask for the job, with ?wait=20 if you like"),
)


class Progress(Model):
    """Samples: all of them, those that have a result, and those that have an error."""

    total: int
    succeeded: int
    failed: int


class JobInfo(Model):
    """A job. Times are ISO 8601, UTC; `expires_at`: when it is forgotten, its results too."""

    id: str
    status: Status
    created_at: str
    started_at: str | None = None
    finished_at: str | None = None
    expires_at: str
    progress: Progress


class JobResponse(Model):
    """A job and, once it has succeeded or failed, what became of its samples, in their order."""

    success: Literal[True] = True
    log_id: str
    job: JobInfo
    predictions: list[str | list[str] | None] | None = Field(default=None, description="null where `errors` says why.")
    scores: list[list[LabelScore] | None] | None = None
    errors: list[SampleFault] | None = None
    warnings: list[str] | None = None
    usage: Usage | None = Field(default=None, alias="_usage")
    results_url: str | None = Field(
        default=None,
        description="Where these fields are instead, as JSON, if they are larger than 4 MB; readable for up to an hour.",
    )


class JobsResponse(Model):
    """Some of the tenant's jobs, newest first."""

    success: Literal[True] = True
    log_id: str
    jobs: list[JobInfo]
    cursor: str | None = Field(default=None, description="Send it as `cursor` for the next page; absent at the end.")


@dataclass(frozen=True)
class Preference:
    """RFC 7240's Prefer: whether a job is wanted in place of the answer, and for how many seconds to wait for its end."""

    respond_async: bool = False
    wait_s: float | None = None
