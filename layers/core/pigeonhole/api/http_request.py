"""Read an HTTP request from the event that API Gateway sends for it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from pigeonhole.api.cursors import decode_cursor
from pigeonhole.api.forms.form import Form
from pigeonhole.api.forms.parse import SentFile, parse_file, parse_form, to_options
from pigeonhole.api.request_body import decompress, parse_json
from pigeonhole.contract.jobs import JobStatus, Preference
from pigeonhole.contract.labels import check_label_set_name
from pigeonhole.contract.upload_results import UploadResultsQuery
from pigeonhole.contract.validation import invalid_request
from pigeonhole.errors import Fault, InvalidRequest, TooLarge
from pigeonhole.ids import is_id
from pigeonhole.jobs.job import IdempotencyKey
from pigeonhole.label_sets.label_set import Precondition
from pigeonhole.tenants.sent_api_key import find_api_key, join_headers
from pigeonhole.timestamps import from_iso

PROBLEM_JSON = "application/problem+json"
MAX_IDEMPOTENCY_KEY_CHARS = 255
DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE = 20, 100
MAX_DIGITS = 4_000  # of a number; Python converts up to 4,300
INVALID_CURSOR = "must be the cursor of an earlier page"


@dataclass(frozen=True)
class HttpRequest:
    """One HTTP request.

    Attributes:
        method: In capitals.
        path: Without repeated slashes and without one at the end.
        headers: By name in lower case. The lines of a repeated header are joined by commas.
        query: The parameters of the query.
        log_id: API Gateway's id of the request.
        body: As the event has it.
        is_base64: Whether the body is base64.
        bare_stage: The stage's name if the URL ends with it, without a slash. Relative addresses in a page would then leave the
            stage.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    log_id: str
    body: str = field(default="", repr=False)
    is_base64: bool = False
    bare_stage: str = ""

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> HttpRequest:
        """Read an API Gateway REST event.

        The official Python client sends `//v1/…`, because its base URL ends in a slash. Base URLs of JigsawStack's API end in
        `/api`, so `/api/v1/…` is the same as `/v1/…`.
        """
        path = re.sub(r"/{2,}", "/", "/" + str(event["path"])).rstrip("/") or "/"
        context = event["requestContext"]
        stage = str(context.get("stage", ""))
        return cls(
            method=str(event["httpMethod"]).upper(),
            path=re.sub(r"^/api(?=/v1(/|$))", "", path),
            headers=join_headers(event),
            query=event.get("queryStringParameters") or {},
            log_id=str(context["requestId"]),
            body=event.get("body") or "",
            is_base64=bool(event.get("isBase64Encoded")),
            bare_stage=stage if path == "/" and context.get("path") == f"/{stage}" else "",
        )

    @property
    def api_key(self) -> str | None:
        """The caller's API key, None if the request has none."""
        return find_api_key(self.headers)

    @property
    def accepts_problem_json(self) -> bool:
        """Whether the caller prefers errors in the shape of RFC 9457."""
        for choice in self.headers.get("accept", "").lower().split(","):
            media, _, parameters = choice.partition(";")
            if media.strip() == PROBLEM_JSON:
                return not re.search(r"\bq\s*=\s*0(\.0*)?\s*$", parameters)
        return False

    @property
    def accepts_gzip(self) -> bool:
        """Whether the caller takes an answer that is compressed with gzip."""
        choices = [choice.replace(" ", "").lower() for choice in self.headers.get("accept-encoding", "").split(",")]
        return any(re.fullmatch(r"gzip(;q=(1|1\.0*|0?\.0*[1-9]\d*))?", choice) for choice in choices)

    @property
    def known_etags(self) -> frozenset[str]:
        """The ETags of the answers that the caller has already, from If-None-Match."""
        return _parse_etags(self.headers.get("if-none-match", ""))

    def check_query(self, names: Collection[str]) -> None:
        """Check that the query has no other parameters than those that the operation takes.

        A misspelt parameter would otherwise be an answer that the caller didn't ask for.

        Args:
            names: The names of the operation's parameters.

        Raises:
            InvalidRequest: The query has parameters of other names. The details list each.
        """
        known = f"use {', '.join(names)}" if names else "there are none at this address"
        unknown = tuple(Fault(name, f"is no parameter of the query; {known}") for name in self.query if name not in names)
        if unknown:
            raise invalid_request(unknown)

    def parse_flag(self, name: str, *, default: bool = False) -> bool:
        """Parse a boolean parameter of the query.

        Raises:
            InvalidRequest: The parameter is neither `true` nor `false`.
        """
        value = self.query.get(name, str(default)).lower()
        if value not in ("true", "false"):
            raise _fault(name, "must be true or false")
        return value == "true"

    def parse_wait_s(self, max_wait_s: float) -> int:
        """Parse the query's `wait`: how many seconds to wait for the end of a job. More than `max_wait_s` are cut to it.

        Raises:
            InvalidRequest: The parameter is not a whole number.
        """
        wait_s = self._parse_number("wait", 0)
        if wait_s is None:
            raise _fault("wait", "must be a whole number of seconds, at least 0")
        return min(wait_s, int(max_wait_s))

    def parse_limit(self) -> int:
        """Parse the query's `limit`: the most items of a page.

        Raises:
            InvalidRequest: The parameter is not a whole number from 1 to `MAX_PAGE_SIZE`.
        """
        limit = self._parse_number("limit", DEFAULT_PAGE_SIZE)
        if limit is None or not 1 <= limit <= MAX_PAGE_SIZE:
            raise _fault("limit", f"must be a whole number from 1 to {MAX_PAGE_SIZE}")
        return limit

    def _parse_number(self, name: str, default: int) -> int | None:
        """Return a number of the query, None if it isn't a whole number from 0 on."""
        value = self.query.get(name, str(default))
        return int(value) if re.fullmatch(rf"[0-9]{{1,{MAX_DIGITS}}}", value, re.ASCII) else None

    def parse_job_status(self) -> JobStatus | None:
        """Parse the query's `status`.

        Raises:
            InvalidRequest: No job has such a status.
        """
        value = self.query.get("status")
        if value is not None and value not in list(JobStatus):
            raise _fault("status", f"must be one of {', '.join(JobStatus)}")
        return None if value is None else JobStatus(value)

    def parse_job_cursor(self) -> str | None:
        """Parse the query's `cursor` for a list of jobs, which is a job's id.

        Raises:
            InvalidRequest: No page has such a cursor.
        """
        value = self.query.get("cursor")
        if value is not None and not is_id(value):
            raise _fault("cursor", INVALID_CURSOR)
        return value

    def parse_label_set_cursor(self) -> str | None:
        """Parse the query's `cursor` for a list of label sets, which is the name of a label set.

        Raises:
            InvalidRequest: No page has such a cursor.
        """
        value = self.query.get("cursor")
        try:
            return None if value is None else check_label_set_name(value)
        except ValueError:
            raise _fault("cursor", INVALID_CURSOR) from None

    def parse_upload_results_query(self) -> UploadResultsQuery:
        """Parse the query of a list of uploads' results.

        Raises:
            InvalidRequest: A time isn't ISO 8601, no page has such a cursor, or `key` is combined with another parameter.
        """
        object_key = self.query.get("key")
        others = [name for name in ("prefix", "since", "until", "cursor") if name in self.query]
        if object_key is not None and others:
            raise _fault(others[0], "can't be combined with `key`, which names one object")
        return UploadResultsQuery(
            object_key=object_key,
            prefix=self.query.get("prefix", ""),
            since=self._parse_time("since"),
            until=self._parse_time("until"),
            limit=self.parse_limit(),
            cursor=self._parse_encoded_cursor(),
        )

    def _parse_time(self, name: str) -> float | None:
        value = self.query.get(name)
        if value is None:
            return None
        try:
            # A plus that wasn't escaped arrives as a space: 2026-11-27T08:00:00 01:00.
            return from_iso(re.sub(r"(T.*) (?=[0-9]{2}:?[0-9]{2}$)", r"\1+", value))
        except ValueError:
            raise _fault(name, "must be a time in ISO 8601, such as 2026-11-27T08:00:00Z") from None

    def _parse_encoded_cursor(self) -> str | None:
        value = self.query.get("cursor")
        try:
            return None if value is None else decode_cursor(value)
        except ValueError:
            raise _fault("cursor", INVALID_CURSOR) from None

    def parse_precondition(self) -> Precondition:
        """Parse If-Match and If-None-Match (RFC 9110) of a request that changes something.

        Raises:
            InvalidRequest: If-None-Match is something other than `*`.
        """
        match, none_match = self.headers.get("if-match"), self.headers.get("if-none-match")
        if none_match is not None and none_match.strip() != "*":
            raise _fault("If-None-Match", "must be *. To replace a known version, send If-Match with its ETag")
        return Precondition(None if match is None else _parse_etags(match), is_new=none_match is not None)

    def parse_preference(self, max_wait_s: float) -> Preference:
        """Parse Prefer. As RFC 7240 demands, a preference that isn't known is ignored.

        Args:
            max_wait_s: The longest wait. A longer one is cut to it.
        """
        choices = [choice.strip().lower() for choice in self.headers.get("prefer", "").split(",")]
        waits = [
            match[1] for choice in choices if (match := re.fullmatch(rf'wait\s*=\s*"?([0-9]{{1,{MAX_DIGITS}}})"?', choice))
        ]
        return Preference("respond-async" in choices, min(float(waits[0]), max_wait_s) if waits else None)

    def parse_idempotency_key(self, max_bytes: int) -> IdempotencyKey | None:
        """Parse Idempotency-Key, together with the body that it identifies, however that is compressed.

        Args:
            max_bytes: The limit of the body, after decompression.

        Raises:
            InvalidRequest: The header is too long.
            PigeonholeError: What `parse_json` raises for a body that can't be decompressed.
        """
        value = self.headers.get("idempotency-key")
        if not value:
            return None
        if len(value) > MAX_IDEMPOTENCY_KEY_CHARS:
            raise _fault("Idempotency-Key", f"must have at most {MAX_IDEMPOTENCY_KEY_CHARS} characters, got {len(value)}")
        return IdempotencyKey("caller", value, self._read_body(max_bytes))

    def parse_json(self, max_bytes: int) -> object:
        """Parse the body as JSON in UTF-8, whatever its media type is. It may be compressed.

        Args:
            max_bytes: The limit of the body, after decompression.

        Raises:
            TooLarge: The body has more than `max_bytes`.
            UnsupportedEncoding: The body has another compression or charset than those that are taken.
            InvalidRequest: The body isn't JSON.
        """
        return parse_json(self._read_body(max_bytes), self.headers.get("content-type", ""))

    def parse_form(self, max_bytes: int) -> Form:
        """Parse the body as JSON, or as multipart/form-data with a part that is JSON. It may be compressed.

        Args:
            max_bytes: The limit of the body, after decompression.

        Raises:
            InvalidRequest: The body is neither.
            PigeonholeError: What `parse_json` raises.
        """
        return parse_form(self._read_body(max_bytes), self.headers.get("content-type", ""))

    def parse_file(self, max_bytes: int) -> SentFile:
        """Parse the body as a file, or as multipart/form-data with a file. It may be compressed.

        Args:
            max_bytes: The limit of the body, after decompression.

        Raises:
            TooLarge: The body has more than `max_bytes`.
            InvalidRequest: The body is a form without a file, or an option has a fault.
            PigeonholeError: What `parse_json` raises for a body that can't be decompressed.
        """
        flags = {name: self.parse_flag(name, default=True) for name in ("overwrite", "temp_public_url")}
        options = to_options({**self.query, **flags}, "the query")
        try:
            body = self._read_body(max_bytes)
        except TooLarge:
            message = f"the file, with the form around it, must have at most {max_bytes} bytes"
            raise TooLarge(f"{message}: POST /v1/uploads takes larger ones") from None
        return parse_file(body, self.headers.get("content-type", ""), options)

    def _read_body(self, max_bytes: int) -> bytes:
        return decompress(self._to_bytes(), self.headers.get("content-encoding", ""), max_bytes)

    def _to_bytes(self) -> bytes:
        if not self.is_base64:
            return self.body.encode("utf-8", "surrogatepass")
        try:
            return base64.b64decode(self.body, validate=True)
        except binascii.Error:
            raise InvalidRequest("the body can't be decoded: it is marked as base64 and isn't") from None


def _parse_etags(header: str) -> frozenset[str]:
    """Split the ETags of If-Match or If-None-Match. Some clients and proxies make ETags weak, so `W/` is ignored."""
    return frozenset(etag.strip().removeprefix("W/") for etag in header.split(","))


def _fault(path: str, message: str) -> InvalidRequest:
    """Create the error for one fault of a parameter or header, in the shape of a body's faults."""
    return invalid_request((Fault(path, message),))
