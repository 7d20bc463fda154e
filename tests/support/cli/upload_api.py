"""A fake API for `pigeonhole upload`: the services of uploads and results, and an S3 that accepts their forms."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from email.parser import BytesParser
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pigeonhole.api.answers import to_upload_response, to_upload_results_response
from pigeonhole.api.http_answers import to_error_answer, to_ok
from pigeonhole.api.http_request import HttpRequest
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.errors import PigeonholeError
from pigeonhole.label_sets.label_set import LabelSet
from pigeonhole.tenants.tenant import Tenant
from pigeonhole.timestamps import from_iso
from pigeonhole.uploads.create import UploadFormCreator
from pigeonhole.uploads.records import UploadResultRecord
from support.cli.api_server import Answer, ApiServer, Request, error_body
from support.fakes import FakeLabelSetStore, FakeUploadResultStore
from support.job_fixtures import Jobs

TENANT = "acme"
FOLDER = f"incoming/{TENANT}/pets/"
JOB_ID = "01a219df7f8bc9f193c4adc27767f7bd"
LIMITS = RequestLimits(max_upload_bytes=1_000)

CAT = {"prediction": "cat", "scores": [{"label": "cat", "probability": 0.98765, "similarity": 0.3}]}
UNREADABLE = {"status": "failed", "error": {"code": "unreadable_image", "message": "The image is cut off."}}


def line_counts(succeeded: int, total: int, **fields: Any) -> dict[str, Any]:
    """Return the result of a file of many lines."""
    counts = {"total": total, "succeeded": succeeded, "failed": total - succeeded}
    return {"samples": counts, "job_id": JOB_ID, "results_line": 1, **fields}


class UploadApi(ApiServer):
    """Creates forms, stores the files that are posted with them, and lists their results.

    Attributes:
        result_for: Returns the fields of a file's result by the file's name, or None for a file without a result.
        empty_listings: How many listings are empty before results appear.
        refused: The names of files that S3 refuses.
        stored: The uploaded files by their object keys.
        form_errors: The API's answer in place of a form, by the file's name.
        slow_s: How long S3 takes for a file.
    """

    command = "upload"

    def __init__(self) -> None:
        super().__init__()
        self.result_for: Callable[[str], dict[str, Any] | None] = lambda name: CAT
        self.empty_listings, self.refused, self.slow_s = 0, set[str](), 0.0
        self.form_errors: dict[str, Answer] = {}
        self.stored: dict[str, bytes] = {}
        self.clock: Callable[[], float] = time.time
        self.results = FakeUploadResultStore()
        self._read = replace(Jobs().upload_result_reader, store=self.results, bucket="", clock=lambda: 0.0)
        self._sets = FakeLabelSetStore(
            sets={(TENANT, "pets"): LabelSet(TENANT, "pets", 1, 0.0, 0.0, {"labels": [{"type": "text", "value": "cat"}]})}
        )
        self._lock = threading.Lock()

    @property
    def listings(self) -> list[str]:
        """The query of each request for results, in order."""
        return [urlsplit(request.path).query for request in self.requests if request.method == "GET"]

    @property
    def form_requests(self) -> list[dict[str, Any]]:
        """The body of each request for a form, in order."""
        return [request.json() for request in self.requests if request.path == "/prod/v1/uploads"]

    def wait_for(self, method: str, path: str) -> None:
        """Wait until a request with this method and the beginning of this path was received."""
        while not any(request.method == method and request.path.startswith(path) for request in self.requests):
            self.wait_for_request()

    def add_result(self, object_key: str, **fields: Any) -> None:
        """Add the result of an upload, given in the JSON of its record."""
        times = {"classified_at": "2026-05-04T10:20:30Z", "expires_at": "2026-05-11T10:20:30Z"}
        results_uri = f"s3://bucket/results/{object_key}.json"
        record = {"key": object_key, "status": "succeeded", **times, "results_uri": results_uri, **fields}
        classified_at, expires_at = (from_iso(time) for time in times.values())
        result = UploadResultRecord.model_validate(record).to_result(
            tenant_id=TENANT, sequencer="1", classified_at=classified_at, expires_at=int(expires_at)
        )
        self.results.save(result)

    def create_form(
        self, object_key: str, content_type: str, min_bytes: int, max_bytes: int, expires_in_s: int
    ) -> tuple[str, dict[str, str]]:
        """Create a form that this server accepts. Implements the port UploadForms."""
        return f"{self.url}/bucket", {"key": object_key, "Content-Type": content_type, "size": f"{min_bytes}-{max_bytes}"}

    def answer_to(self, request: Request) -> Answer:
        address = urlsplit(request.path)
        if address.path == "/bucket":
            return self._store(request)
        http_request = HttpRequest(
            request.method, address.path.removeprefix("/prod"), {}, dict(parse_qsl(address.query)), "log-1"
        )
        try:
            answer = self._form(request.json()) if request.method == "POST" else self._listing(http_request)
        except PigeonholeError as error:
            answer = to_error_answer(error, http_request)
        return answer if isinstance(answer, Answer) else Answer(answer.body, answer.status)

    def _form(self, body: dict[str, Any]) -> Any:
        if body["filename"] in self.form_errors:
            return self.form_errors[body["filename"]]
        creator = UploadFormCreator(forms=self, label_sets=self._sets, limits=LIMITS, bucket="bucket", clock=self.clock)
        return to_ok(to_upload_response(creator.create(body, Tenant(TENANT, 0)), "log-1"))

    def _listing(self, http_request: HttpRequest) -> Any:
        with self._lock:
            if self.empty_listings > 0:
                self.empty_listings -= 1
                return Answer({"success": True, "log_id": "log-1", "results": []})
        page = self._read.list(TENANT, http_request.parse_upload_results_query())
        return to_ok(to_upload_results_response(page, "log-1"))

    def _store(self, request: Request) -> Answer:
        head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
        parts = {
            str(part.get_param("name", header="content-disposition")): part
            for part in BytesParser().parsebytes(head + request.body).walk()
            if not part.is_multipart()
        }
        object_key, data = parts["key"].get_payload(), parts["file"].get_payload(decode=True)
        name = str(parts["file"].get_filename())
        least, most = str(parts["size"].get_payload()).split("-")
        assert isinstance(object_key, str)
        assert isinstance(data, bytes)
        if name in self.refused or not int(least) <= len(data) <= int(most):
            return Answer("<Error/>", 403)
        self.ended.wait(self.slow_s)
        with self._lock:
            self.stored[object_key] = data
        if (fields := self.result_for(name)) is not None:
            self.add_result(object_key, **fields)
        return Answer("", 204)


def fault(path: str, message: str) -> Answer:
    """Return the refusal of a request with one fault."""
    return Answer(error_body("invalid_request", f"{path}: {message}", (path, message)), 400)


def parse_list(stdout: str) -> list[Any]:
    content = json.loads(stdout)
    assert isinstance(content, list)
    return content
