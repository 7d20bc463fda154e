"""The services behind uploads and results, and S3's side of a form, on a loopback port; `pigeonhole upload` before them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from email.parser import BytesParser
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pigeonhole.api.answers import to_upload_response, to_upload_results_response
from pigeonhole.api.http_answers import to_error_answer, to_ok
from pigeonhole.api.http_request import HttpRequest
from pigeonhole.contract.classification import RequestLimits
from pigeonhole.contract.upload_results import UploadResult
from pigeonhole.errors import PigeonholeError
from pigeonhole.label_sets.label_set import LabelSet
from pigeonhole.tenants.tenant import Tenant
from pigeonhole.uploads.create import UploadFormCreator
from pigeonhole.uploads.read_results import UploadResultReader
from pigeonhole.uploads.upload_result import ObjectResult
from support.cli.api_server import Answer, ApiServer, Request, refusal
from support.fakes import FakeLabelSetStore, FakeUploadResultStore

TENANT = "acme"
FOLDER = f"incoming/{TENANT}/pets/"
JOB_ID = "01a219df7f8bc9f193c4adc27767f7bd"
LIMITS = RequestLimits(max_upload_bytes=1_000)

CAT = {"prediction": "cat", "scores": [{"label": "cat", "probability": 0.98765, "similarity": 0.3}]}
UNREADABLE = {"status": "failed", "error": {"code": "unreadable_image", "message": "The image is cut off."}}


def lines(succeeded: int, total: int, **more: Any) -> dict[str, Any]:
    counts = {"total": total, "succeeded": succeeded, "failed": total - succeeded}
    return {"samples": counts, "job_id": JOB_ID, **more}


class UploadApi(ApiServer):
    """Makes forms, takes what is sent by them, and has results of it.

    `becomes`: gives what is in a file's result, by the file's name; None for one that never gets any. `patience`: so many
    listings are empty, before results appear. `refused`: names of files that S3 doesn't take. `stored`: what it took, by key;
    `broken`: what the API answers instead of a form, by the file's name; `slow_s`: how long S3 takes for a file.
    """

    command = "upload"

    def __init__(self) -> None:
        super().__init__()
        self.becomes: Callable[[str], dict[str, Any] | None] = lambda name: CAT
        self.patience, self.refused, self.slow_s = 0, set[str](), 0.0
        self.broken: dict[str, Answer] = {}
        self.stored: dict[str, bytes] = {}
        self.clock: Callable[[], float] = time.time
        self.results = FakeUploadResultStore()
        self._read = UploadResultReader(store=self.results, clock=lambda: 0.0)
        self._sets = FakeLabelSetStore(
            sets={(TENANT, "pets"): LabelSet(TENANT, "pets", 1, 0.0, 0.0, {"labels": [{"type": "text", "value": "cat"}]})}
        )
        self._lock = threading.Lock()

    @property
    def listings(self) -> list[str]:
        """The query of each request for results, in turn."""
        return [urlsplit(each.path).query for each in self.requests if each.method == "GET"]

    @property
    def asked(self) -> list[dict[str, Any]]:
        """What forms were asked for."""
        return [each.json() for each in self.requests if each.path == "/prod/v1/uploads"]

    def wait_for(self, method: str, path: str) -> None:
        """Wait until a request has come whose path begins so."""
        while not any(each.method == method and each.path.startswith(path) for each in self.requests):
            self.wait_for_request()

    def keep(self, key: str, **told: Any) -> None:
        """Have a result of a key."""
        times = {"classified_at": "2026-05-04T10:20:30Z", "expires_at": "2026-05-11T10:20:30Z"}
        whole = {"key": key, "status": "succeeded", **times, "results_uri": f"s3://bucket/results/{key}.json", **told}
        self.results.save(ObjectResult(TENANT, "1", 1.0, 1, UploadResult.model_validate(whole)))

    def form(self, key: str, content_type: str, least: int, most: int, seconds: int) -> tuple[str, dict[str, str]]:
        """As ports.UploadForms has it: a form that this server takes."""
        return f"{self.url}/bucket", {"key": key, "Content-Type": content_type, "size": f"{least}-{most}"}

    def told(self, request: Request) -> Answer:
        where = urlsplit(request.path)
        if where.path == "/bucket":
            return self._take(request)
        http_request = HttpRequest(request.method, where.path.removeprefix("/prod"), {}, dict(parse_qsl(where.query)), "log-1")
        try:
            answer = self._form(request.json()) if request.method == "POST" else self._listing(http_request)
        except PigeonholeError as error:
            answer = to_error_answer(error, http_request)
        return answer if isinstance(answer, Answer) else Answer(answer.body, answer.status)

    def _form(self, body: dict[str, Any]) -> Any:
        if body["filename"] in self.broken:
            return self.broken[body["filename"]]
        make = UploadFormCreator(forms=self, sets=self._sets, limits=LIMITS, bucket="bucket", clock=self.clock)
        return to_ok(to_upload_response(make.create(body, Tenant(TENANT, 0)), "log-1"))

    def _listing(self, http_request: HttpRequest) -> Any:
        with self._lock:
            if self.patience > 0:
                self.patience -= 1
                return Answer({"success": True, "log_id": "log-1", "results": []})
        page = self._read.read(TENANT, http_request.parse_upload_results_query())
        return to_ok(to_upload_results_response(page, "log-1"))

    def _take(self, request: Request) -> Answer:
        head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
        parts = {
            str(part.get_param("name", header="content-disposition")): part
            for part in BytesParser().parsebytes(head + request.body).walk()
            if not part.is_multipart()
        }
        key, data = parts["key"].get_payload(), parts["file"].get_payload(decode=True)
        name = str(parts["file"].get_filename())
        least, most = str(parts["size"].get_payload()).split("-")
        assert isinstance(key, str)
        assert isinstance(data, bytes)
        if name in self.refused or not int(least) <= len(data) <= int(most):
            return Answer("<Error/>", 403)
        self.ended.wait(self.slow_s)
        with self._lock:
            self.stored[key] = data
        if (told := self.becomes(name)) is not None:
            self.keep(key, **told)
        return Answer("", 204)


def fault(path: str, message: str) -> Answer:
    return Answer(refusal("invalid_request", f"{path}: {message}", (path, message)), 400)


def printed(stdout: str) -> list[Any]:
    found = json.loads(stdout)
    assert isinstance(found, list)
    return found
