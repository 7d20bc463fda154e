"""A fake API in the place of httpx's connections, and both clients of it with one interface."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from pigeonhole.client import AsyncClient, Client, RetryPolicy
from support.cli.api_server import error_body

URL, KEY = "https://api.example/prod", "pghSesame"
USAGE = {"input_tokens": 1, "output_tokens": 1, "inference_time_tokens": 1, "total_tokens": 3}
AT_ONCE = RetryPolicy(min_pause_s=0)

Answer = Callable[[httpx.Request], httpx.Response]


def respond(body: Any = None, status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


def fail(code: str, status: int, *details: tuple[str, str], **headers: str) -> httpx.Response:
    return respond(error_body(code, f"It is {code}.", *details), status, **headers)


def classify_by_value(request: httpx.Request) -> httpx.Response:
    """Give each sample its own value as its label, and the scores of two labels."""
    values = [sample["value"] for sample in json.loads(request.content)["dataset"]]
    scores = [
        [{"label": value, "probability": 0.75, "similarity": 0.5}, {"label": "other", "probability": 0.25, "similarity": 0.1}]
        for value in values
    ]
    return respond({"success": True, "log_id": "log-1", "predictions": values, "scores": scores, "_usage": USAGE})


def label_set_answer(*, multiple_labels: bool) -> httpx.Response:
    times = {"created_at": "2026-05-04T10:20:30Z", "updated_at": "2026-05-04T10:20:30Z"}
    label_set = {"name": "topics", "version": 1, **times, "labels": [], "multiple_labels": multiple_labels}
    return respond({"success": True, "log_id": "log-1", "label_set": label_set})


def classify_by_label_set(*, multiple_labels: bool) -> Answer:
    """Give each sample its own value as its label, and a second label if the label set gives several."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return label_set_answer(multiple_labels=multiple_labels)
        body = classify_by_value(request).json()
        if json.loads(request.content).get("multiple_labels", multiple_labels):
            body["predictions"] = [[value, "other"] for value in body["predictions"]]
        return respond(body)

    return answer


def upload_answer() -> dict[str, Any]:
    upload = {
        "url": "https://bucket.example/",
        "fields": {"policy": "signed"},
        "s3_uri": "s3://bucket/uploads/1",
        "key": "uploads/1",
        "max_bytes": 20_000_000,
        "expires_at": "2026-12-01T00:00:00Z",
        "kept_until": "2026-12-01T00:00:00Z",
    }
    return {"success": True, "log_id": "1", "upload": upload}


@dataclass
class FakeApi:
    """Answers requests, and records them.

    Attributes:
        answer: Answers a request.
        requests: The requests, in the order in which they came.
    """

    answer: Answer = classify_by_value
    requests: list[httpx.Request] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def handle(self, request: httpx.Request) -> httpx.Response:
        request.read()
        with self._lock:
            self.requests.append(request)
        return self.answer(request)

    def prepare(self, *answers: httpx.Response | Exception) -> None:
        """Give these answers in turn."""
        left = list(answers)

        def answer(request: httpx.Request) -> httpx.Response:
            given = left.pop(0)
            if isinstance(given, Exception):
                raise given
            return given

        self.answer = answer

    @property
    def bodies(self) -> list[Any]:
        """The JSON of each request."""
        return [json.loads(request.content) for request in self.requests]

    @property
    def calls(self) -> list[tuple[str, str]]:
        """The method and the path of each request."""
        return [(request.method, request.url.path) for request in self.requests]


Call = Callable[..., Any]


def sync_call(api: FakeApi) -> Call:
    """Return what calls a method of `Client` by its name."""

    def call(method: str, *arguments: Any, **named: Any) -> Any:
        with Client(URL, KEY, retries=AT_ONCE, transport=httpx.MockTransport(api.handle)) as client:
            return getattr(client, method)(*arguments, **named)

    return call


def async_call(api: FakeApi) -> Call:
    """Return what calls a method of `AsyncClient` by its name."""

    async def call(method: str, *arguments: Any, **named: Any) -> Any:
        async with AsyncClient(URL, KEY, retries=AT_ONCE, transport=httpx.MockTransport(api.handle)) as client:
            return await getattr(client, method)(*arguments, **named)

    return lambda *arguments, **named: asyncio.run(call(*arguments, **named))
