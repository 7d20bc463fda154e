"""Build HTTP answers: status, headers and body."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from pigeonhole.api.http_request import PROBLEM_JSON, HttpRequest
from pigeonhole.api.rate_headers import RateState
from pigeonhole.api.request_body import CODINGS
from pigeonhole.api.routes import find_methods
from pigeonhole.contract.classification import ErrorBody, ErrorResponse
from pigeonhole.contract.jobs import JOBS, JobInfo, JobResponse, Preference
from pigeonhole.contract.label_sets import LabelSetResponse
from pigeonhole.errors import MethodNotAllowed, NotFound, PigeonholeError, TooLarge, UnsupportedEncoding
from pigeonhole.label_sets.label_set import LabelSet
from pigeonhole.uploads.stored_files import FileContent

JSON = "application/json"
MAX_ANSWER_BYTES = 5_000_000  # Lambda's limit is 6 MB for an envelope in which every quote is escaped

REQUEST_HEADERS = (
    "Accept",
    "Authorization",
    "Content-Encoding",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Prefer",
    "x-api-key",
    "x-jigsaw-no-request-log",
    "x-jigsaw-skip-cache",
    "*",  # the headers of clients' own; it never stands for Authorization
)
EXPOSED_HEADERS = (
    "Accept-Encoding",
    "Allow",
    "ETag",
    "Location",
    "Preference-Applied",
    "Retry-After",
    "x-jigsaw-rate-limit-limit",
    "x-jigsaw-rate-limit-remaining",
    "x-jigsaw-rate-limit-reset",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-request-id",
    "x-typesafe-request-id",
)


@dataclass(frozen=True)
class HttpAnswer:
    """An HTTP answer, without the headers that every answer has. A body of bytes is sent as it is."""

    status: int
    body: str | bytes
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)

    def with_headers(self, headers: dict[str, str]) -> HttpAnswer:
        """Return the answer with more headers."""
        return replace(self, headers=self.headers | headers)

    def with_default_headers(self, headers: dict[str, str]) -> HttpAnswer:
        """Return the answer with more headers, of which those that the answer has already don't change."""
        return replace(self, headers=headers | self.headers)

    def to_event(self, request: HttpRequest) -> dict[str, Any]:
        """Convert to what API Gateway takes from a function. A HEAD request gets no body."""
        headers = {"Content-Type": self.content_type, **self.headers}
        is_binary = isinstance(self.body, bytes)
        body = base64.b64encode(self.body).decode() if isinstance(self.body, bytes) else self.body
        return {
            "statusCode": self.status,
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "body": "" if request.method == "HEAD" else body,
            "isBase64Encoded": is_binary,
        }


def to_ok(response: BaseModel) -> HttpAnswer:
    """Answer 200 with a response, without the fields that are None.

    Raises:
        TooLarge: Lambda can't carry the answer.
    """
    return to_sized_answer(response.model_dump_json(by_alias=True, exclude_none=True))


def to_sized_answer(body: str) -> HttpAnswer:
    """Answer 200 with JSON.

    Raises:
        TooLarge: Lambda can't carry the answer.
    """
    if len(body.encode("utf-8")) > MAX_ANSWER_BYTES:
        raise TooLarge(
            "the answer can't be sent, because it is too large: lower `limit`, ask fewer questions, or give image labels a "
            "short `key`"
        )
    return HttpAnswer(200, body)


def to_file_answer(content: FileContent) -> HttpAnswer:
    """Answer 200 with a file. A browser runs nothing of it, because its media type is the caller's."""
    return HttpAnswer(200, content.data, content.media_type, {"Content-Security-Policy": "sandbox"})


def to_accepted(response: JobResponse, preference: Preference) -> HttpAnswer:
    """Answer 202 with a job, in whichever status it is."""
    headers = {"Location": f"{JOBS}/{response.job.id}", "Retry-After": "1", **preference_headers(preference)}
    return replace(to_ok(response), status=202, headers=headers)


def to_job_answer(response: JobResponse) -> HttpAnswer:
    """Answer 200 with a job. There is no ETag if the answer has a link, because the link expires."""
    etag = {} if response.results_url else {"ETag": _job_etag(response.job)}
    return to_ok(response).with_headers(_retry_headers(response.job) | etag)


def to_not_modified(job: JobInfo, request: HttpRequest) -> HttpAnswer | None:
    """Answer 304 if the caller has already seen the job as it is, else return None."""
    etag = _job_etag(job)
    return HttpAnswer(304, "", headers={**_retry_headers(job), "ETag": etag}) if etag in request.known_etags else None


def to_label_set_answer(response: LabelSetResponse, label_set: LabelSet) -> HttpAnswer:
    """Answer 200 with a label set and the ETag of its version."""
    return to_ok(response).with_headers({"ETag": label_set.etag})


def to_error_answer(error: PigeonholeError, request: HttpRequest) -> HttpAnswer:
    """Answer with an error, in the contract's shape or, if the caller prefers it, in the shape of RFC 9457."""
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join((*find_methods(request.path), "OPTIONS"))
    if isinstance(error, UnsupportedEncoding):
        headers["Accept-Encoding"] = ", ".join(CODINGS)  # RFC 7694
    details = [{"path": fault.path, "message": fault.message} for fault in error.details]
    if request.accepts_problem_json:
        problem = {
            "type": f"urn:pigeonhole:error:{error.code}",
            "title": HTTPStatus(error.status).phrase,
            "status": error.status,
            "detail": error.message,
            "code": error.code,
            "log_id": request.log_id,
            **({"errors": details} if details else {}),
        }
        return HttpAnswer(error.status, json.dumps(problem, ensure_ascii=False), PROBLEM_JSON, headers)
    body = ErrorBody(code=error.code, details=details or None)
    response = ErrorResponse(message=error.message, log_id=request.log_id, error=body)
    return HttpAnswer(error.status, response.model_dump_json(exclude_none=True), JSON, headers)


def to_no_route_error(request: HttpRequest) -> PigeonholeError:
    """Return the error of a request that no route takes: the path is unknown, or it has other methods."""
    methods = find_methods(request.path)
    if methods:
        return MethodNotAllowed(f"{request.method} can't be used here. Use {' or '.join(methods)}.")
    return NotFound("There is nothing at this address. GET /openapi.json lists every route.")


def preference_headers(preference: Preference) -> dict[str, str]:
    """Return the header that says which preferences were applied."""
    names = ["respond-async"] if preference.respond_async else []
    names += [] if preference.wait_s is None else [f"wait={preference.wait_s:.0f}"]
    return {"Preference-Applied": ", ".join(names)} if names else {}


def common_headers(request: HttpRequest, rate: RateState) -> dict[str, str]:
    """Return the headers of every answer: CORS, the caller's rate figures, and that no cache may store it.

    An answer with a Cache-Control of its own keeps it.
    """
    return {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": ", ".join(EXPOSED_HEADERS),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        **(_preflight_headers(request.path) if request.method == "OPTIONS" else {}),
        **rate.to_headers(),
    }


def _preflight_headers(path: str) -> dict[str, str]:
    methods = find_methods(path) or ("GET", "POST")
    return {
        "Access-Control-Allow-Methods": ", ".join((*methods, "OPTIONS")),
        "Access-Control-Allow-Headers": ", ".join(REQUEST_HEADERS),
        "Access-Control-Max-Age": "600",
    }


def _retry_headers(job: JobInfo) -> dict[str, str]:
    """Return the header that says when to ask again for a job that hasn't ended."""
    return {} if job.finished_at else {"Retry-After": "1"}


def _job_etag(job: JobInfo) -> str:
    """Hash what callers see of a job. Its results follow from that, and its record also changes in ways they don't see."""
    return f'"{hashlib.sha256(job.model_dump_json().encode()).hexdigest()[:16]}"'
