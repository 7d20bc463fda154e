"""The operations of the HTTP API, each declared once.

The table drives the routing and the authentication of functions/api, the 405 answers and the OpenAPI document.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from pigeonhole.api import parameters
from pigeonhole.api.forms.description import FILE_FORM, SYSTEM_ONE_FORM, FormDescription
from pigeonhole.api.parameters import Parameter
from pigeonhole.contract.bulk import BulkEstimateResponse, BulkJobRequest, BulkQuestionsJobRequest
from pigeonhole.contract.classification import ClassificationRequest, ClassificationResponse
from pigeonhole.contract.decisions.openai import DECISIONS, DecisionRequest
from pigeonhole.contract.decisions.openai_answers import DecisionResponse, ModelList, OpenAiErrorResponse
from pigeonhole.contract.decisions.typesafe import (
    SYSTEM_ONE,
    ModelMetadataList,
    SystemOneRequest,
    SystemOneResponse,
    TypeSafeErrorResponse,
)
from pigeonhole.contract.jobs import JOBS, JobRequest, JobResponse, JobsResponse, QuestionsJobRequest
from pigeonhole.contract.label_sets import LABEL_SETS, LabelSetRequest, LabelSetResponse, LabelSetsResponse, RemovedResponse
from pigeonhole.contract.questions import QuestionsRequest, QuestionsResponse
from pigeonhole.contract.service import MODELS, AccountResponse, HealthResponse, ModelsResponse, WebhookSecretResponse
from pigeonhole.contract.upload_results import UPLOAD_RESULTS, UploadResultsResponse
from pigeonhole.contract.uploads import (
    STORED_FILES,
    UPLOADS,
    DeletedFileResponse,
    StoredFileResponse,
    UploadRequest,
    UploadResponse,
)

# Codes of errors.py that several operations share.
API_KEY_ERRORS = ("invalid_api_key", "forbidden", "rate_limited")
JSON_ERRORS = ("invalid_request", "too_large", "unsupported_encoding")
BODY_ERRORS = (*JSON_ERRORS, "unreadable_image", "unfetchable_url", "forbidden_url", "unsupported_media")
CLASSIFIER_ERRORS = ("internal_error", "overloaded", "timed_out")
STORAGE_ERRORS = ("internal_error", "overloaded")
PAGE_ERRORS = ("rate_limited", *STORAGE_ERRORS)  # the gateway answers with them


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method at one path.

    Attributes:
        path: The path, with the names of its parameters in braces.
        id: The operationId, by which functions/api finds the function that answers.
        summary: One line for the OpenAPI document.
        answer: The model of the 200 answer, or its media type.
        errors: The codes that the operation can answer with.
        error: The shape of its errors, None for the contract's own.
        body: The model of the request's body.
        form: The form that the body may be in place of that or of a file.
        other_bodies: The models that the body may have in place of `body`.
        other_answers: The models of the 200 answers to some requests.
        is_open: Whether the operation needs no API key.
        parameters: What a request carries beside its body.
        accepted: The model of the 202 answer, if there is one.
        may_be_unchanged: Whether the answer can be 304.
        has_etag: Whether the 200 answer has an ETag.
        takes_file: Whether the body is a file, as it is.
        ignores_query: Whether any query is accepted. The reference's Python client sends a query that means nothing.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    id: str
    summary: str
    answer: type[BaseModel] | str
    errors: tuple[str, ...]
    body: type[BaseModel] | None = None
    form: FormDescription | None = None
    error: type[BaseModel] | None = None
    other_bodies: tuple[type[BaseModel], ...] = ()
    other_answers: tuple[type[BaseModel], ...] = ()
    is_open: bool = False
    parameters: tuple[Parameter, ...] = ()
    accepted: type[BaseModel] | None = None
    may_be_unchanged: bool = False
    has_etag: bool = False
    takes_file: bool = False
    ignores_query: bool = False

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods of requests that the operation answers. HEAD gets the headers of GET (RFC 9110, 9.3.2)."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)

    @property
    def query_names(self) -> tuple[str, ...]:
        """The names of the parameters in the query."""
        return tuple(parameter.name for parameter in self.parameters if parameter.location == "query")

    @property
    def is_page(self) -> bool:
        """Whether the operation answers with a document that no request changes."""
        return isinstance(self.answer, str) and self.is_open

    def parse_path(self, path: str) -> dict[str, str] | None:
        """Return the parameters in the path of a request by name, None if the path isn't this operation's.

        A parameter is whatever stands between two slashes. The operation's service decides whether it is a possible id or
        name.
        """
        fixed, *rest = re.split(r"\{(\w+)\}", self.path)
        pattern = re.escape(fixed)
        for name, after in zip(rest[::2], rest[1::2], strict=True):
            pattern += f"(?P<{name}>[^/]+)" + re.escape(after)
        match = re.fullmatch(pattern, path)
        return match and match.groupdict()


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/classification",
        id="classify",
        summary="Sort texts or images into the labels that you name.",
        answer=ClassificationResponse,
        errors=(*BODY_ERRORS, *API_KEY_ERRORS, "job_finished", "idempotency_mismatch", *CLASSIFIER_ERRORS),
        body=ClassificationRequest,
        other_bodies=(QuestionsRequest,),
        other_answers=(QuestionsResponse,),
        parameters=(parameters.PREFER, parameters.IDEMPOTENCY_KEY),
        accepted=JobResponse,
    ),
    Operation(
        method="POST",
        path=JOBS,
        id="submitJob",
        summary="Submit up to 10,000 samples, or a manifest of any length, as a job, and read the results later.",
        answer=JobResponse,
        errors=(
            *JSON_ERRORS,
            "forbidden_url",
            "unfetchable_url",
            *API_KEY_ERRORS,
            "not_found",
            "idempotency_mismatch",
            *STORAGE_ERRORS,
            "timed_out",
        ),
        body=JobRequest,
        other_bodies=(QuestionsJobRequest, BulkJobRequest, BulkQuestionsJobRequest),
        other_answers=(BulkEstimateResponse,),
        parameters=(parameters.PREFER, parameters.IDEMPOTENCY_KEY),
        accepted=JobResponse,
    ),
    Operation(
        method="GET",
        path=JOBS,
        id="listJobs",
        summary="List your jobs, newest first.",
        answer=JobsResponse,
        errors=("invalid_request", *API_KEY_ERRORS, *STORAGE_ERRORS),
        parameters=(parameters.page_size("The most jobs of a page."), parameters.CURSOR, parameters.JOB_STATUS),
    ),
    Operation(
        method="GET",
        path=f"{JOBS}/{{job_id}}",
        id="readJob",
        summary="Read a job and, once it has ended, the results of its samples.",
        answer=JobResponse,
        errors=("invalid_request", *API_KEY_ERRORS, "not_found", *STORAGE_ERRORS),
        parameters=(parameters.JOB_ID, parameters.WAIT, parameters.JOB_IF_NONE_MATCH),
        may_be_unchanged=True,
        has_etag=True,
    ),
    Operation(
        method="DELETE",
        path=f"{JOBS}/{{job_id}}",
        id="cancelJob",
        summary="Cancel a job.",
        answer=JobResponse,
        errors=("invalid_request", *API_KEY_ERRORS, "not_found", "job_finished", *STORAGE_ERRORS),
        parameters=(parameters.JOB_ID,),
    ),
    Operation(
        method="POST",
        path=UPLOADS,
        id="makeUpload",
        summary="Create a form that uploads one file: an image that requests name, or a file that a label set classifies.",
        answer=UploadResponse,
        errors=(*JSON_ERRORS, *API_KEY_ERRORS, *STORAGE_ERRORS),
        body=UploadRequest,
    ),
    Operation(
        method="POST",
        path=STORED_FILES,
        id="storeFile",
        summary="Store a file of up to 4 MB under a key. Its addresses can be the value of an image.",
        answer=StoredFileResponse,
        errors=(*JSON_ERRORS, *API_KEY_ERRORS, "precondition_failed", *STORAGE_ERRORS),
        parameters=(parameters.NEW_FILE_KEY, parameters.OVERWRITE, parameters.FILE_TYPE, parameters.TEMP_PUBLIC_URL),
        takes_file=True,
        form=FILE_FORM,
    ),
    Operation(
        method="GET",
        path=f"{STORED_FILES}/read/{{key}}",
        id="readFile",
        summary="Read a stored file.",
        answer="*/*",
        errors=("invalid_request", *API_KEY_ERRORS, "not_found", *STORAGE_ERRORS),
        parameters=(parameters.FILE_KEY,),
    ),
    Operation(
        method="DELETE",
        path=f"{STORED_FILES}/read/{{key}}",
        id="deleteFile",
        summary="Delete a stored file. Deleting an absent file is no error.",
        answer=DeletedFileResponse,
        errors=(*API_KEY_ERRORS, "not_found", *STORAGE_ERRORS),
        parameters=(parameters.FILE_KEY,),
        ignores_query=True,
    ),
    Operation(
        method="GET",
        path=UPLOAD_RESULTS,
        id="readResults",
        summary="Read the results of your uploads: of one, or of many with the newest first.",
        answer=UploadResultsResponse,
        errors=("invalid_request", *API_KEY_ERRORS, "not_found", *STORAGE_ERRORS),
        parameters=(
            parameters.UPLOAD_KEY,
            parameters.UPLOAD_PREFIX,
            parameters.SINCE,
            parameters.UNTIL,
            parameters.page_size("The most results of a page. Some pages have fewer."),
            parameters.CURSOR,
        ),
    ),
    Operation(
        method="PUT",
        path=f"{LABEL_SETS}/{{name}}",
        id="putLabelSet",
        summary="Store labels and options under a name. The images of labels are fetched and stored now.",
        answer=LabelSetResponse,
        errors=(*BODY_ERRORS, *API_KEY_ERRORS, "precondition_failed", *CLASSIFIER_ERRORS),
        body=LabelSetRequest,
        parameters=(parameters.LABEL_SET_NAME, parameters.IF_MATCH, parameters.IF_NONE_MATCH),
        has_etag=True,
    ),
    Operation(
        method="GET",
        path=LABEL_SETS,
        id="listLabelSets",
        summary="List your label sets, sorted by name.",
        answer=LabelSetsResponse,
        errors=("invalid_request", *API_KEY_ERRORS, *STORAGE_ERRORS),
        parameters=(parameters.page_size("The most label sets of a page."), parameters.CURSOR),
    ),
    Operation(
        method="GET",
        path=f"{LABEL_SETS}/{{name}}",
        id="readLabelSet",
        summary="Read a label set.",
        answer=LabelSetResponse,
        errors=("invalid_request", *API_KEY_ERRORS, "not_found", *STORAGE_ERRORS),
        parameters=(parameters.LABEL_SET_NAME,),
        has_etag=True,
    ),
    Operation(
        method="DELETE",
        path=f"{LABEL_SETS}/{{name}}",
        id="removeLabelSet",
        summary="Delete a label set. Jobs that use it continue.",
        answer=RemovedResponse,
        errors=("invalid_request", *API_KEY_ERRORS, "not_found", "precondition_failed", *STORAGE_ERRORS),
        parameters=(parameters.LABEL_SET_NAME, parameters.IF_MATCH),
    ),
    Operation(
        method="POST",
        path=DECISIONS,
        id="decide",
        summary="Answer questions about a text or an image, in the shape of OpenAI's Decisions.",
        answer=DecisionResponse,
        errors=(*BODY_ERRORS, *API_KEY_ERRORS, *CLASSIFIER_ERRORS),
        error=OpenAiErrorResponse,
        body=DecisionRequest,
    ),
    Operation(
        method="POST",
        path=SYSTEM_ONE,
        id="systemOne",
        summary="Answer questions about a text or an image, in the shape of TypeSafe's System One.",
        answer=SystemOneResponse,
        errors=(*BODY_ERRORS, *API_KEY_ERRORS, *CLASSIFIER_ERRORS),
        error=TypeSafeErrorResponse,
        body=SystemOneRequest,
        form=SYSTEM_ONE_FORM,
    ),
    Operation(
        method="GET",
        path="/v1/account",
        id="readAccount",
        summary="Read your tenant, its limits, and the S3 prefixes that its images can be in.",
        answer=AccountResponse,
        errors=("invalid_request", *API_KEY_ERRORS, *STORAGE_ERRORS),
    ),
    Operation(
        method="POST",
        path="/v1/account/webhook-secret",
        id="makeWebhookSecret",
        summary="Create a new secret that signs your webhooks. The old secret also signs for one more day.",
        answer=WebhookSecretResponse,
        errors=("invalid_request", *API_KEY_ERRORS, *STORAGE_ERRORS),
    ),
    Operation(
        method="GET",
        path=MODELS,
        id="listModels",
        summary="List the deployed models. The clients of OpenAI and TypeSafe get their own lists.",
        answer=ModelsResponse,
        other_answers=(ModelList, ModelMetadataList),
        errors=("invalid_request", *API_KEY_ERRORS, *CLASSIFIER_ERRORS),
    ),
    Operation(
        method="GET",
        path="/v1/health",
        id="health",
        summary="Check that the service answers.",
        answer=HealthResponse,
        errors=("invalid_request", *API_KEY_ERRORS, *CLASSIFIER_ERRORS),
        is_open=True,
        parameters=(parameters.DEEP,),
    ),
    Operation(
        method="GET",
        path="/",
        id="playground",
        summary="Open the playground: a page that classifies photos and texts with this API.",
        answer="text/html",
        errors=("not_found", *PAGE_ERRORS),
        is_open=True,
        may_be_unchanged=True,
    ),
    Operation(
        method="GET",
        path="/playground/{file}",
        id="playgroundFile",
        summary="Read a file of the playground.",
        answer="*/*",
        errors=("not_found", *PAGE_ERRORS),
        is_open=True,
        parameters=(parameters.PLAYGROUND_FILE,),
        may_be_unchanged=True,
    ),
    Operation(
        method="GET",
        path="/openapi.json",
        id="openapi",
        summary="Read this document.",
        answer="application/json",
        errors=PAGE_ERRORS,
        is_open=True,
    ),
    Operation(
        method="GET",
        path="/docs",
        id="docs",
        summary="Read this document as a page that can send requests.",
        answer="text/html",
        errors=PAGE_ERRORS,
        is_open=True,
    ),
)


def find_operation(method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
    """Find the operation of a request, with the parameters in its path. None if there is none."""
    for operation in OPERATIONS:
        if method in operation.methods and (path_parameters := operation.parse_path(path)) is not None:
            return operation, path_parameters
    return None


def find_route(path: str) -> str | None:
    """Return the path of the operations that take `path`, as OPERATIONS has it, None if there are none."""
    return next((operation.path for operation in OPERATIONS if operation.parse_path(path) is not None), None)


def find_methods(path: str) -> tuple[str, ...]:
    """Return the methods that requests to `path` can have, without OPTIONS."""
    operations = (operation for operation in OPERATIONS if operation.parse_path(path) is not None)
    return tuple(method for operation in operations for method in operation.methods)
