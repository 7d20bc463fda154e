"""Answers about jobs, `pigeonhole jobs` in front of what gives them, and the way to them without a server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

from pigeonhole_cli.http_client import Api
from pigeonhole_cli.jobs.client import JobsApi
from support.cli.api_server import KEY, ApiServer

ID = "01a219df7f8bc9f193c4adc27767f7bd"


def job(status: str = "succeeded", total: int = 2, succeeded: int = 2, failed: int = 0, id: str = ID) -> dict[str, Any]:
    times = {"created_at": "2026-05-04T10:20:30Z", "expires_at": "2026-05-11T10:20:30Z"}
    progress = {"total": total, "succeeded": succeeded, "failed": failed}
    return {"id": id, "status": status, **times, "progress": progress}


def told(status: str = "succeeded", *, predictions: Sequence[Any] | None = None, **more: Any) -> dict[str, Any]:
    """An answer about a job; what belongs to the job itself is taken from `more`."""
    of_job = {name: more.pop(name) for name in ("total", "succeeded", "failed") if name in more}
    found = {"predictions": list(predictions)} if predictions is not None else {}
    return {"success": True, "log_id": "log-1", "job": job(status, **of_job), **found, **more}


class JobApi(ApiServer):
    command = "jobs"


class Way:
    """A JobsApi over answers in turn; what is an exception is raised. `pauses`: what it slept."""

    def __init__(self, *answers: Any) -> None:
        self.left, self.sent, self.pauses = list(answers), 0, list[float]()
        transport = httpx.MockTransport(self._answer)
        api = Api("https://api.example/prod", KEY, httpx.Client(transport=transport), self.pauses.append)
        self.api = JobsApi(api)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.sent += 1
        answer = self.left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, body, *headers = answer
        return httpx.Response(status, json=body, headers=headers[0] if headers else {})
