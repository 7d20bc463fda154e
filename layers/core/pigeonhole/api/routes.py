"""The operations of the HTTP API as data: what answers 405, what the OpenAPI document is made of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from pigeonhole.contract.classification import ClassificationRequest, ClassificationResponse
from pigeonhole.contract.jobs import JOBS, JobRequest, JobResponse, JobsResponse, JobStatus
from pigeonhole.contract.label_sets import LABEL_SETS, LabelSetRequest, LabelSetResponse, LabelSetsResponse, RemovedResponse
from pigeonhole.contract.service import AccountResponse, HealthResponse, ModelsResponse, WebhookSecretResponse
from pigeonhole.contract.upload_results import UPLOAD_RESULTS, UploadResultsResponse
from pigeonhole.contract.uploads import UPLOADS, UploadRequest, UploadResponse

OF_CLASSIFIER = ("internal_error", "overloaded", "timed_out")
OF_KEY = ("invalid_api_key", "forbidden", "rate_limited")
OF_BODY = ("invalid_request", "unreadable_image", "unfetchable_url", "forbidden_url", "unsupported_media", "too_large")


@dataclass(frozen=True)
class Parameter:
    """One parameter beside the body. `schema`: JSON Schema's."""

    place: Literal["path", "query", "header"]
    name: str
    description: str
    schema: dict[str, Any]


FLAG = {"type": "boolean", "default": False}
IDEMPOTENCY_KEY = Parameter(
    "header",
    "Idempotency-Key",
    "For 24 hours the same key with the same body gives the same job; with another body, 422. "
    "What is answered directly makes no job, and its key stands for none.",
    {"type": "string", "maxLength": 255},
)
PREFER = Parameter(
    "header",
    "Prefer",
    "`respond-async`: answer 202 with a job. `wait=20`: wait so many seconds for the answer first, 24 at most. "
    "With either, the body may have a job's `webhook_url`.",
    {"type": "string"},
)
JOB_ID = Parameter("path", "job_id", "The job's id.", {"type": "string"})
SET_NAME = Parameter(
    "path", "name", "The set's name: up to 64 lower-case letters, digits, `-` and `_`.", {"type": "string", "maxLength": 64}
)
IF_MATCH = Parameter(
    "header", "If-Match", "The set's ETag as you read it: 412 if it has been changed since.", {"type": "string"}
)
IF_NONE_MATCH = Parameter("header", "If-None-Match", "`*`: 412 if there is a set of this name already.", {"type": "string"})
WAIT = Parameter(
    "query",
    "wait",
    "Seconds to wait for the job's end before answering, 24 at most.",
    {"type": "integer", "default": 0, "minimum": 0},
)


@dataclass(frozen=True)
class Operation:
    """One method at one path. `is_open`: needs no key; `answer`: a model, or a media type; `errors`: codes of errors.py.

    `accepted`: what a 202 holds where there may be one beside it; `may_be_unchanged`: or a 304; `has_etag`: the answer has one.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    id: str
    summary: str
    answer: type[BaseModel] | str
    errors: tuple[str, ...]
    body: type[BaseModel] | None = None
    is_open: bool = False
    parameters: tuple[Parameter, ...] = ()
    accepted: type[BaseModel] | None = None
    may_be_unchanged: bool = False
    has_etag: bool = False


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/classification",
        id="classify",
        summary="Sort texts or images into the labels that you name.",
        answer=ClassificationResponse,
        errors=(*OF_BODY, *OF_KEY, "job_finished", "idempotency_mismatch", *OF_CLASSIFIER),
        body=ClassificationRequest,
        parameters=(PREFER, IDEMPOTENCY_KEY),
        accepted=JobResponse,
    ),
    Operation(
        method="POST",
        path=JOBS,
        id="submitJob",
        summary="Hand over up to 10,000 samples, and ask for the results later.",
        answer=JobResponse,
        errors=("invalid_request", "too_large", *OF_KEY, "not_found", "idempotency_mismatch", "internal_error", "overloaded"),
        body=JobRequest,
        parameters=(PREFER, IDEMPOTENCY_KEY),
        accepted=JobResponse,
    ),
    Operation(
        method="GET",
        path=JOBS,
        id="listJobs",
        summary="Your jobs, newest first.",
        answer=JobsResponse,
        errors=("invalid_request", *OF_KEY, "internal_error", "overloaded"),
        parameters=(
            Parameter("query", "limit", "Jobs per page.", {"type": "integer", "default": 20, "minimum": 1, "maximum": 100}),
            Parameter("query", "cursor", "Where the page begins: `cursor` of the page before.", {"type": "string"}),
            Parameter("query", "status", "Only jobs in this state.", {"type": "string", "enum": [str(it) for it in JobStatus]}),
        ),
    ),
    Operation(
        method="GET",
        path=f"{JOBS}/{{job_id}}",
        id="readJob",
        summary="A job and, once it has ended, its results.",
        answer=JobResponse,
        errors=("invalid_request", *OF_KEY, "not_found", "internal_error", "overloaded"),
        parameters=(
            JOB_ID,
            WAIT,
            Parameter(
                "header", "If-None-Match", "The ETag of the answer that you have: 304 if nothing changed.", {"type": "string"}
            ),
        ),
        may_be_unchanged=True,
        has_etag=True,
    ),
    Operation(
        method="DELETE",
        path=f"{JOBS}/{{job_id}}",
        id="cancelJob",
        summary="Cancel a job.",
        answer=JobResponse,
        errors=(*OF_KEY, "not_found", "job_finished", "internal_error", "overloaded"),
        parameters=(JOB_ID,),
    ),
    Operation(
        method="POST",
        path=UPLOADS,
        id="makeUpload",
        summary="A form to send a file by: an image for requests to name, or what is to be classified by a label set.",
        answer=UploadResponse,
        errors=("invalid_request", "too_large", *OF_KEY, "internal_error", "overloaded"),
        body=UploadRequest,
    ),
    Operation(
        method="GET",
        path=UPLOAD_RESULTS,
        id="readResults",
        summary="What became of the files that you dropped to be classified: of one, or of many, the newest first.",
        answer=UploadResultsResponse,
        errors=("invalid_request", *OF_KEY, "not_found", "internal_error", "overloaded"),
        parameters=(
            Parameter("query", "key", "One object's key or s3:// address: 404 while it has no result.", {"type": "string"}),
            Parameter("query", "prefix", "Only keys that begin so; by itself, in the order of keys.", {"type": "string"}),
            Parameter("query", "since", "Only results from then on: ISO 8601.", {"type": "string", "format": "date-time"}),
            Parameter("query", "until", "Only results up to then.", {"type": "string", "format": "date-time"}),
            Parameter(
                "query",
                "limit",
                "Results per page; some pages have fewer.",
                {"type": "integer", "default": 20, "minimum": 1, "maximum": 100},
            ),
            Parameter("query", "cursor", "Where the page begins: `cursor` of the page before.", {"type": "string"}),
        ),
    ),
    Operation(
        method="PUT",
        path=f"{LABEL_SETS}/{{name}}",
        id="putLabelSet",
        summary="Keep labels and options under a name; images of labels are fetched now, and kept.",
        answer=LabelSetResponse,
        errors=(*OF_BODY, *OF_KEY, "precondition_failed", *OF_CLASSIFIER),
        body=LabelSetRequest,
        parameters=(SET_NAME, IF_MATCH, IF_NONE_MATCH),
        has_etag=True,
    ),
    Operation(
        method="GET",
        path=LABEL_SETS,
        id="listLabelSets",
        summary="Your label sets, by name.",
        answer=LabelSetsResponse,
        errors=("invalid_request", *OF_KEY, "internal_error", "overloaded"),
        parameters=(
            Parameter("query", "limit", "Sets per page.", {"type": "integer", "default": 20, "minimum": 1, "maximum": 100}),
            Parameter("query", "cursor", "Where the page begins: `cursor` of the page before.", {"type": "string"}),
        ),
    ),
    Operation(
        method="GET",
        path=f"{LABEL_SETS}/{{name}}",
        id="readLabelSet",
        summary="A label set.",
        answer=LabelSetResponse,
        errors=(*OF_KEY, "not_found", "internal_error", "overloaded"),
        parameters=(SET_NAME,),
        has_etag=True,
    ),
    Operation(
        method="DELETE",
        path=f"{LABEL_SETS}/{{name}}",
        id="removeLabelSet",
        summary="Forget a label set. Jobs that it is part of go on.",
        answer=RemovedResponse,
        errors=(*OF_KEY, "not_found", "precondition_failed", "internal_error", "overloaded"),
        parameters=(SET_NAME, IF_MATCH),
    ),
    Operation(
        method="GET",
        path="/v1/account",
        id="readAccount",
        summary="Your tenant, its limits, and where on S3 its images may lie.",
        answer=AccountResponse,
        errors=(*OF_KEY, "internal_error", "overloaded"),
    ),
    Operation(
        method="POST",
        path="/v1/account/webhook-secret",
        id="makeWebhookSecret",
        summary="A new secret that your webhooks are signed with; the old one signs for another day beside it.",
        answer=WebhookSecretResponse,
        errors=(*OF_KEY, "internal_error", "overloaded"),
    ),
    Operation(
        method="GET",
        path="/v1/models",
        id="listModels",
        summary="What is deployed, calibrated or not.",
        answer=ModelsResponse,
        errors=OF_KEY + OF_CLASSIFIER,
    ),
    Operation(
        method="GET",
        path="/v1/health",
        id="health",
        summary="Whether the service answers.",
        answer=HealthResponse,
        errors=("invalid_request", *OF_KEY, *OF_CLASSIFIER),
        is_open=True,
        parameters=(Parameter("query", "deep", "Ask the classifier, too. Needs a key.", FLAG),),
    ),
    Operation(
        method="GET",
        path="/openapi.json",
        id="openapi",
        summary="This document.",
        answer="application/json",
        errors=(),
        is_open=True,
    ),
    Operation(
        method="GET",
        path="/docs",
        id="docs",
        summary="This document as a page to read and to try.",
        answer="text/html",
        errors=(),
        is_open=True,
    ),
)


def route_of(path: str) -> str | None:
    """The path of the operations at `path`, as OPERATIONS have it; None for an unknown one."""
    paths = dict.fromkeys(operation.path for operation in OPERATIONS)
    return next((known for known in paths if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", known), path)), None)


def methods_at(path: str) -> tuple[str, ...]:
    """The methods that a path answers, OPTIONS aside; none for an unknown path."""
    route = route_of(path)
    return tuple(operation.method for operation in OPERATIONS if operation.path == route)
