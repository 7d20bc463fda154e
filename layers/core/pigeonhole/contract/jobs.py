"""The requests and answers of asynchronous jobs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo

from pigeonhole.contract.base import HttpSchema, Value
from pigeonhole.contract.classification import (
    ClassificationRequest,
    CustomIds,
    LabelScore,
    SampleFault,
    Samples,
    SamplesRequest,
    Usage,
    require_labels_or_label_set,
)
from pigeonhole.contract.labels import LabelSetRef
from pigeonhole.contract.limits import get_limits
from pigeonhole.contract.questions import NamedPredictions, NamedScores, QuestionsRequest
from pigeonhole.contract.validation import check_length, strip_address
from pigeonhole.net.addresses import Address, check_url_parts, is_loopback, is_public, parse_address

JOBS = "/v1/classification/jobs"
MAX_JOB_SAMPLES = 10_000  # the default of the setting max_job_samples
MAX_WEBHOOK_URL_CHARS = 2_000


def check_webhook_url(url: str, *, is_local: bool) -> str:
    """Return the URL if it meets the rules that need no network. `net` checks all rules at each delivery.

    Args:
        url: The URL that the caller sent.
        is_local: Whether http:// and this machine's addresses are allowed.

    Raises:
        ValueError: The URL breaks a rule. The message says how to fix that.
    """
    check_length(url, MAX_WEBHOOK_URL_CHARS, "an address")
    if not re.fullmatch(r"[!-~]+", url) or "\\" in url:
        raise ValueError("must be printable ASCII without spaces and backslashes. Write other characters as %xx")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise ValueError("must have a valid host and port") from None
    has_user = parts.username is not None
    if "[" in parts.netloc and ":" not in host:
        raise ValueError("must have brackets only around an IPv6 address")
    host = check_url_parts(parts.scheme, has_user=has_user, host=host, port=port, allow_http=is_local, allow_loopback=is_local)
    address = _parse_address(host)
    if address and not (is_public(address) or (is_local and is_loopback(address))):
        raise ValueError("must have a host on the public internet")
    return url


def _parse_address(host: str) -> Address | None:
    try:
        return parse_address(host)
    except ValueError:
        return None


def _check_webhook_url(url: str, info: ValidationInfo) -> str:
    return check_webhook_url(strip_address(url), is_local=get_limits(info).local_webhooks)


WebhookUrl = Annotated[Value, AfterValidator(_check_webhook_url)]


def _forbid_input(schema: dict[str, Any]) -> None:
    """Say in the JSON Schema that a body with an `input` is a bulk job, which has no `dataset` (contract/bulk.py)."""
    schema["properties"]["input"] = {"type": "null"}


def _require_labels_and_forbid_input(schema: dict[str, Any]) -> None:
    require_labels_or_label_set(schema)
    _forbid_input(schema)


class _JobFields(SamplesRequest):
    """What the requests of jobs have in common."""

    webhook_url: WebhookUrl | None = Field(
        None,
        description="An https:// address that gets a signed POST (standard-webhooks) when the job ends, with attempts for a "
        "day. Requires a secret: POST /v1/account/webhook-secret.",
    )

    dataset: Samples = Field(
        description="1 to 10,000 samples, all of the same type.",
        json_schema_extra={"minItems": 1, "maxItems": MAX_JOB_SAMPLES},
    )

    @classmethod
    def blank_samples_pass(cls, on_error: str | None) -> bool:
        """Let a blank sample get an error of its own, whatever `on_error` is."""
        return True


class JobRequest(_JobFields, ClassificationRequest):
    """The body of `POST /v1/classification/jobs`: as for `POST /v1/classification`, with more samples.

    `on_error` is always `null`: a sample that can't be read doesn't affect the others.
    """

    model_config = ConfigDict(json_schema_extra=_require_labels_and_forbid_input)


class QuestionsJobRequest(_JobFields, QuestionsRequest):
    """The body of `POST /v1/classification/jobs` with `questions` in place of `labels`.

    `on_error` is always `null`: a sample that can't be read doesn't affect the others.
    """

    model_config = ConfigDict(json_schema_extra=_forbid_input)


AnyJobRequest = JobRequest | QuestionsJobRequest


class JobStatus(StrEnum):
    """`succeeded`: at least one sample has a result. `failed`: no sample has one. `canceled`: the caller canceled the job."""

    QUEUED = "queued"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class DeliveryStatus(StrEnum):
    """`pending`: the webhook isn't delivered yet. `gone`: the receiver answered 410. `given_up`: every attempt failed."""

    PENDING = "pending"
    DELIVERED = "delivered"
    GONE = "gone"
    GIVEN_UP = "given_up"


class Progress(HttpSchema):
    """How many samples there are, how many have a result, and how many have an error."""

    total: int
    succeeded: int
    failed: int


class BulkFile(HttpSchema):
    """A file of the results of a bulk job."""

    name: str
    rows: int
    url: str = Field(description="Can be read for up to an hour.")


class BulkResults(HttpSchema):
    """Where the results of a bulk job are."""

    prefix: str = Field(description="The s3:// prefix of all files.")
    manifest_url: str = Field(description="The address of `_manifest.json`: counts, checksums, labels and all files.")
    parts: list[BulkFile] = Field(description="The first 100 results parts, in the order of the lines.")
    errors: list[BulkFile] = Field(description="The first 100 errors parts.")


class JobError(HttpSchema):
    """Why no sample of a job could be classified."""

    code: str
    message: str


class WebhookTry(HttpSchema):
    """One attempt to deliver the webhook. Without `status` and `error` it is in progress, or its outcome was lost."""

    at: str
    status: int | None = Field(default=None, description="The HTTP status that the receiver answered.")
    error: str | None = Field(default=None, description="Why there was no answer.")


class WebhookInfo(HttpSchema):
    """The state of a job's webhook."""

    url: str
    status: DeliveryStatus
    attempts: list[WebhookTry]
    next_at: str | None = Field(default=None, description="The earliest time of the next attempt.")


class JobInfo(HttpSchema):
    """A job. Times are ISO 8601, UTC."""

    id: str
    status: JobStatus
    created_at: str
    started_at: str | None = None
    finished_at: str | None = None
    expires_at: str = Field(description="When the job and its results are deleted.")
    progress: Progress
    label_set: LabelSetRef | None = None
    webhook: WebhookInfo | None = None
    error: JobError | None = Field(default=None, description="Why no line of a bulk job could be classified.")


class WebhookBody(HttpSchema):
    """The body that is posted to a job's `webhook_url` when the job ends. It has no results: read the job to get them."""

    type: Literal["job.succeeded", "job.failed", "job.canceled"]
    timestamp: str
    data: JobInfo


class JobResponse(HttpSchema):
    """A job and, once it has succeeded or failed, the results of its samples in their order."""

    success: Literal[True] = True
    log_id: str
    job: JobInfo
    predictions: list[str | list[str] | None] | NamedPredictions | None = Field(
        default=None,
        description="null where `errors` says why, or where the best label is below the `threshold`. By the name of each "
        "question, if the job has questions.",
    )
    custom_ids: CustomIds | None = None
    scores: list[list[LabelScore] | None] | NamedScores | None = None
    errors: list[SampleFault] | None = None
    warnings: list[str] | None = None
    usage: Usage | None = Field(default=None, alias="_usage")
    results: BulkResults | None = Field(default=None, description="Where the results of a bulk job are, once it has ended.")
    results_url: str | None = Field(
        default=None,
        description="The address of a JSON document that has these fields instead, if they are larger than 4 MB. It can be "
        "read for up to an hour.",
    )


class JobsResponse(HttpSchema):
    """A page of the tenant's jobs, newest first."""

    success: Literal[True] = True
    log_id: str
    jobs: list[JobInfo]
    cursor: str | None = Field(default=None, description="The `cursor` of the next page. Absent on the last page.")


@dataclass(frozen=True)
class Preference:
    """What a caller prefers by the header Prefer (RFC 7240).

    Attributes:
        respond_async: Whether the caller wants a job instead of the result.
        wait_s: How long to wait for the end of the job, None if the caller didn't say.
    """

    respond_async: bool = False
    wait_s: float | None = None
