"""HTTP as API Gateway tells it: an event to a call, an answer or an error to a status, headers and a body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, NoReturn

from pydantic import BaseModel

from pigeonhole.api.cursors import decode_cursor
from pigeonhole.api.rate_headers import RateState
from pigeonhole.api.routes import methods_at
from pigeonhole.contract.classification import ErrorBody, ErrorResponse, check_set_name
from pigeonhole.contract.jobs import JOBS, JobInfo, JobResponse, JobStatus, Preference
from pigeonhole.contract.label_sets import LabelSetResponse
from pigeonhole.contract.upload_results import ResultsWanted
from pigeonhole.contract.validation import invalid_request
from pigeonhole.errors import Fault, InvalidRequest, MethodNotAllowed, NotFound, PigeonholeError, TooLarge
from pigeonhole.ids import is_id
from pigeonhole.jobs.job import IdempotencyKey
from pigeonhole.label_sets.label_set import LabelSet, Precondition
from pigeonhole.timestamps import from_iso

JSON = "application/json"
PROBLEM = "application/problem+json"
MAX_IDEMPOTENCY_KEY = 255  # characters
NO_CURSOR = "must be what the page before gave"
MAX_ANSWER_BYTES = 5_000_000  # Lambda takes 6 MB with the envelope, in which every quote is escaped

REQUEST_HEADERS = (
    "Accept",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Prefer",
    "x-api-key",
    "x-jigsaw-no-request-log",
    "x-jigsaw-skip-cache",
)
EXPOSED_HEADERS = (
    "Allow",
    "ETag",
    "Location",
    "Preference-Applied",
    "Retry-After",
    "x-jigsaw-rate-limit-limit",
    "x-jigsaw-rate-limit-remaining",
    "x-jigsaw-rate-limit-reset",
)


@dataclass(frozen=True)
class Call:
    """One HTTP request. `headers`: names in lower case; `path`: no repeated and no trailing slash."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    log_id: str
    body: str = field(default="", repr=False)
    is_base64: bool = False

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> Call:
        """Read an API Gateway REST event. The official Python client asks for `//v1/…`: its base URL ends in a slash."""
        return cls(
            method=str(event["httpMethod"]).upper(),
            path=re.sub(r"/{2,}", "/", "/" + str(event["path"])).rstrip("/") or "/",
            headers=_headers_of(event),
            query=event.get("queryStringParameters") or {},
            log_id=str(event["requestContext"]["requestId"]),
            body=event.get("body") or "",
            is_base64=bool(event.get("isBase64Encoded")),
        )

    @property
    def api_key(self) -> str | None:
        return self.headers.get("x-api-key")

    @property
    def wants_problem(self) -> bool:
        """Whether errors are wanted as RFC 9457 has them."""
        for choice in self.headers.get("accept", "").lower().split(","):
            media, _, parameters = choice.partition(";")
            if media.strip() == PROBLEM:
                return not re.search(r"\bq\s*=\s*0(\.0*)?\s*$", parameters)
        return False

    def flag(self, name: str) -> bool:
        """Read a boolean query parameter: absent, `true` or `false`.

        Raises InvalidRequest for anything else.
        """
        value = self.query.get(name, "false").lower()
        if value not in ("true", "false"):
            raise _fault(name, "must be true or false")
        return value == "true"

    def number(self, name: str, default: int, *, least: int = 0, most: float) -> int:
        """Read a whole number of a query: `default` where it is absent, `most` where it is above that.

        Raises InvalidRequest for what isn't a whole number or is below `least`.
        """
        value = self.query.get(name, str(default))
        if not re.fullmatch(r"[0-9]{1,9}", value) or int(value) < least:
            raise _fault(name, f"must be a whole number from {least} to {int(most)}")
        return min(int(value), int(most))

    def status(self) -> JobStatus | None:
        """Read the query's `status`. Raises InvalidRequest for one that no job has."""
        value = self.query.get("status")
        if value is not None and value not in list(JobStatus):
            raise _fault("status", f"must be one of {', '.join(JobStatus)}")
        return None if value is None else JobStatus(value)

    def cursor(self) -> str | None:
        """Read the query's `cursor`. Raises InvalidRequest for what no page gave."""
        value = self.query.get("cursor")
        if value is not None and not is_id(value):
            raise _fault("cursor", NO_CURSOR)
        return value

    def set_cursor(self) -> str | None:
        """Read the query's `cursor` of a list of label sets. Raises InvalidRequest for what no page gave."""
        value = self.query.get("cursor")
        try:
            return None if value is None else check_set_name(value)
        except ValueError:
            raise _fault("cursor", NO_CURSOR) from None

    def results_wanted(self) -> ResultsWanted:
        """Read the query of a list of results.

        Raises InvalidRequest for a time that isn't ISO 8601, a cursor that no page gave, and a key beside other choices.
        """
        key, others = self.query.get("key"), [name for name in ("prefix", "since", "until", "cursor") if name in self.query]
        if key is not None and others:
            raise _fault(others[0], "is not wanted beside key, which names one object")
        return ResultsWanted(
            key=key,
            prefix=self.query.get("prefix", ""),
            since=self._moment("since"),
            until=self._moment("until"),
            limit=self.number("limit", 20, least=1, most=100),
            cursor=self._packed_cursor(),
        )

    def _moment(self, name: str) -> float | None:
        value = self.query.get(name)
        try:
            return None if value is None else from_iso(value)
        except ValueError:
            raise _fault(name, "must be a time in ISO 8601, such as 2026-11-27T08:00:00Z") from None

    def _packed_cursor(self) -> str | None:
        value = self.query.get("cursor")
        try:
            return None if value is None else decode_cursor(value)
        except ValueError:
            raise _fault("cursor", NO_CURSOR) from None

    def precondition(self) -> Precondition:
        """Read If-Match and If-None-Match (RFC 9110) of a change.

        Raises InvalidRequest for an If-None-Match other than `*`.
        """
        match, none_match = self.headers.get("if-match"), self.headers.get("if-none-match")
        if none_match is not None and none_match.strip() != "*":
            raise _fault("If-None-Match", "can only be * here; send If-Match with the ETag that you have")
        tags = None if match is None else _tags(match)
        return Precondition(tags, is_new=none_match is not None)

    def preference(self, most_s: float) -> Preference:
        """Read Prefer (RFC 7240): what isn't understood in it is ignored, as the RFC has it. `most_s`: the longest wait."""
        wanted = [choice.strip().lower() for choice in self.headers.get("prefer", "").split(",")]
        waits = [found[1] for choice in wanted if (found := re.fullmatch(r'wait\s*=\s*"?([0-9]{1,9})"?', choice))]
        return Preference("respond-async" in wanted, min(float(waits[0]), most_s) if waits else None)

    def idempotency_key(self) -> IdempotencyKey | None:
        """Read Idempotency-Key, with the body that it stands for. Raises InvalidRequest for one that is too long."""
        value = self.headers.get("idempotency-key")
        if not value:
            return None
        if len(value) > MAX_IDEMPOTENCY_KEY:
            raise _fault("Idempotency-Key", f"has at most {MAX_IDEMPOTENCY_KEY} characters, got {len(value)}")
        return IdempotencyKey("caller", value, self._bytes())

    def json(self, max_bytes: int) -> object:
        """Decode the body, whatever its Content-Type says.

        Raises TooLarge above `max_bytes`, InvalidRequest for what isn't JSON in UTF-8.
        """
        data = self._bytes()
        if len(data) > max_bytes:
            raise TooLarge(
                f"the body has {len(data)} bytes and {max_bytes} are taken: give large images by URL, not as data: URLs"
            )
        try:
            return json.loads(data.decode("utf-8-sig"), parse_constant=_no_constant)
        except UnicodeDecodeError:
            raise InvalidRequest("the body must be JSON in UTF-8") from None
        except json.JSONDecodeError as error:
            raise InvalidRequest(f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
        except (ValueError, RecursionError):  # NaN, a number of thousands of digits, brackets in brackets in brackets
            raise InvalidRequest("the body is not JSON that can be read: a number or the nesting is out of bounds") from None

    def _bytes(self) -> bytes:
        if not self.is_base64:
            return self.body.encode("utf-8", "surrogatepass")
        try:
            return base64.b64decode(self.body, validate=True)
        except binascii.Error:
            raise InvalidRequest("the body is marked as base64 and isn't") from None


def _headers_of(event: Mapping[str, Any]) -> dict[str, str]:
    """A header that was sent several times is one list (RFC 9110, 5.3); the event's `headers` have its last line alone."""
    sent = event.get("multiValueHeaders") or {name: [value] for name, value in (event.get("headers") or {}).items()}
    lines: dict[str, list[str]] = {}
    for name, values in sent.items():
        lines.setdefault(name.lower(), []).extend(values)
    return {name: ", ".join(values) for name, values in lines.items()}


def _fault(path: str, message: str) -> InvalidRequest:
    """The error for one fault of a parameter or a header, told as a body's are."""
    return invalid_request((Fault(path, message),))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, the headers that every answer has aside."""

    status: int
    body: str
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)


def success(model: BaseModel) -> Answer:
    """Answer 200 with a model; what is None doesn't show.

    Raises TooLarge where Lambda couldn't carry the answer.
    """
    body = model.model_dump_json(by_alias=True, exclude_none=True)
    if len(body.encode("utf-8")) > MAX_ANSWER_BYTES:
        raise TooLarge("the answer would be too large: ask for fewer by `limit`, or give image labels a short `key`")
    return Answer(200, body)


def applied(wanted: Preference) -> dict[str, str]:
    """The header that says which preferences were heeded."""
    names = ["respond-async"] if wanted.respond_async else []
    names += [] if wanted.wait_s is None else [f"wait={wanted.wait_s:.0f}"]
    return {"Preference-Applied": ", ".join(names)} if names else {}


def accepted(job: JobResponse, wanted: Preference) -> Answer:
    """Answer 202 with a job, however far it is."""
    headers = {"Location": f"{JOBS}/{job.job.id}", "Retry-After": "1", **applied(wanted)}
    return replace(success(job), status=202, headers=headers)


def unchanged(job: JobInfo, call: Call) -> Answer | None:
    """Answer 304 if the caller has seen a job as it is."""
    tag = _tag(job)
    is_known = tag in _tags(call.headers.get("if-none-match", ""))
    return Answer(304, "", headers={**_when_again(job), "ETag": tag}) if is_known else None


def shown_job(job: JobResponse) -> Answer:
    """Answer with a job. One with an address that stops working has no ETag, so it is never unchanged."""
    tag = {} if job.results_url else {"ETag": _tag(job.job)}
    return replace(success(job), headers={**_when_again(job.job), **tag})


def _when_again(job: JobInfo) -> dict[str, str]:
    """The header that says when to ask for a job that goes on once more."""
    return {} if job.finished_at else {"Retry-After": "1"}


def _tags(header: str) -> frozenset[str]:
    """The ETags that If-Match or If-None-Match lists. Some clients and proxies make our tags weak; they count."""
    return frozenset(tag.strip().removeprefix("W/") for tag in header.split(","))


def _tag(job: JobInfo) -> str:
    """An ETag: of what is shown of a job, which its results follow from. Its record has changes that don't show."""
    return f'"{hashlib.sha256(job.model_dump_json().encode()).hexdigest()[:16]}"'


def shown_set(answer: LabelSetResponse, label_set: LabelSet) -> Answer:
    """Answer with a label set, and the ETag of its version."""
    return replace(success(answer), headers={"ETag": label_set.etag})


def failure(error: PigeonholeError, call: Call) -> Answer:
    """Answer with an error, in the contract's shape or, if the caller asked for it, in RFC 9457's."""
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join((*methods_at(call.path), "OPTIONS"))
    details = [{"path": fault.path, "message": fault.message} for fault in error.details]
    if call.wants_problem:
        problem = {
            "type": f"urn:pigeonhole:error:{error.code}",
            "title": HTTPStatus(error.status).phrase,
            "status": error.status,
            "detail": error.message,
            "code": error.code,
            "log_id": call.log_id,
            **({"errors": details} if details else {}),
        }
        return Answer(error.status, json.dumps(problem, ensure_ascii=False), PROBLEM, headers)
    shape = ErrorResponse(message=error.message, log_id=call.log_id, error=ErrorBody(code=error.code, details=details or None))
    return Answer(error.status, shape.model_dump_json(exclude_none=True), JSON, headers)


def no_route(call: Call) -> PigeonholeError:
    """Why nothing answers a call: the path is unknown, or the method is another."""
    methods = methods_at(call.path)
    if methods:
        return MethodNotAllowed(f"{call.method} is not allowed here; use {' or '.join(methods)}")
    return NotFound("There is nothing at this address. GET /openapi.json lists what there is.")


def common_headers(call: Call, rate: RateState) -> dict[str, str]:
    """The headers of every answer: CORS, the caller's rate figures, and that nobody may keep it."""
    return {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": ", ".join(EXPOSED_HEADERS),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        **(_preflight_headers(call.path) if call.method == "OPTIONS" else {}),
        **rate.headers(),
    }


def _preflight_headers(path: str) -> dict[str, str]:
    methods = methods_at(path) or ("GET", "POST")
    return {
        "Access-Control-Allow-Methods": ", ".join((*methods, "OPTIONS")),
        "Access-Control-Allow-Headers": ", ".join(REQUEST_HEADERS),
        "Access-Control-Max-Age": "600",
    }
