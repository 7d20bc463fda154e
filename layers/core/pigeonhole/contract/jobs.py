"""What crosses HTTP of asynchronous jobs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator

from pigeonhole.contract.classification import (
    ClassificationRequest,
    LabelScore,
    LabelSetRef,
    Model,
    SampleFault,
    Samples,
    Usage,
    Value,
    limits_of,
)
from pigeonhole.contract.validation import within
from pigeonhole.errors import Fault
from pigeonhole.net.addresses import Address, check_place, is_loopback, is_public, parse

JOBS = "/v1/classification/jobs"
MAX_JOB_SAMPLES = 10_000  # the default of the setting max_job_samples


MAX_WEBHOOK_URL = 2_000  # characters


class JobRequest(ClassificationRequest):
    """The body of `POST /v1/classification/jobs`: as of `POST /v1/classification`, with more samples.

    A sample that can't be read never costs the others theirs: `on_error` is `null`, whatever it says.
    """

    webhook_url: Value | None = Field(
        None,
        description="An https:// address that is told the job's end by a signed POST (standard-webhooks), tried for a day. "
        "Needs a secret: POST /v1/account/webhook-secret.",
    )

    dataset: Samples = Field(
        description="1 to 10,000 samples, all of one type.", json_schema_extra={"minItems": 1, "maxItems": MAX_JOB_SAMPLES}
    )

    @field_validator("webhook_url", mode="after")
    @classmethod
    def _may_be_told(cls, url: str | None, info: ValidationInfo) -> str | None:
        return None if url is None else check_webhook_url(url, is_local=limits_of(info).local_webhooks)


def check_webhook_url(url: str, *, is_local: bool) -> str:
    """Hold an address to what can be said without the network; net.py holds it to all its rules at each try.

    `is_local`: http:// and this machine's addresses are allowed. Raises ValueError with what to mend.
    """
    within(url, MAX_WEBHOOK_URL, "an address")
    if not re.fullmatch(r"[!-~]+", url) or "\\" in url:
        raise ValueError("must be printable ASCII without spaces and backslashes; write others as %xx")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise ValueError("is malformed: a host or port that is none") from None
    has_user = parts.username is not None
    if "[" in parts.netloc and ":" not in host:
        raise ValueError("is malformed: only an IPv6 address has brackets")
    host = check_place(parts.scheme, has_user=has_user, host=host, port=port, allow_http=is_local, allow_loopback=is_local)
    address = _address(host)
    if address and not (is_public(address) or (is_local and is_loopback(address))):
        raise ValueError("its host is not on the public internet; use one that is")
    return url


def _address(host: str) -> Address | None:
    try:
        return parse(host)
    except ValueError:
        return None


# What the contract has of jobs and this deployment hasn't; ignored, it would mislead.
LACKING = (Fault("input", "this deployment has no bulk jobs: send `dataset`"),)


class Progress(Model):
    """Samples: all of them, those that have a result, and those that have an error."""

    total: int
    succeeded: int
    failed: int


class WebhookTry(Model):
    """One try to tell the job's end. `status`: the answer's; `error`: why there was none. With neither it is under way, or was
    lost before its outcome was noted."""

    at: str
    status: int | None = None
    error: str | None = None


class WebhookInfo(Model):
    """How telling the job's end goes. `next_at`: when it is tried again, or for the first time, at the earliest."""

    url: str
    status: DeliveryStatus
    attempts: list[WebhookTry]
    next_at: str | None = None


class JobInfo(Model):
    """A job. Times are ISO 8601, UTC; `expires_at`: when it is forgotten, its results too."""

    id: str
    status: JobStatus
    created_at: str
    started_at: str | None = None
    finished_at: str | None = None
    expires_at: str
    progress: Progress
    label_set: LabelSetRef | None = None
    webhook: WebhookInfo | None = None


class WebhookBody(Model):
    """What is posted to a job's `webhook_url` at its end. The results are to be asked for."""

    type: Literal["job.succeeded", "job.failed", "job.canceled"]
    timestamp: str
    data: JobInfo


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


class JobStatus(StrEnum):
    """`succeeded`: at least one sample has a result; `failed`: none has; `canceled`: nobody wants them any more."""

    QUEUED = "queued"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class DeliveryStatus(StrEnum):
    """`pending`: it hasn't been tried, or will be again; `gone`: the receiver answered 410."""

    PENDING = "pending"
    DELIVERED = "delivered"
    GONE = "gone"
    GIVEN_UP = "given_up"
