"""A fake API for `pigeonhole jobs`, its answers, and a client without a server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

from pigeonhole_cli.http_client import ApiClient
from pigeonhole_cli.jobs.client import JobsClient
from support.cli.api_server import API_KEY, ApiServer

ID = "01a219df7f8bc9f193c4adc27767f7bd"


def job_info(status: str = "succeeded", total: int = 2, succeeded: int = 2, failed: int = 0, id: str = ID) -> dict[str, Any]:
    times = {"created_at": "2026-05-04T10:20:30Z", "expires_at": "2026-05-11T10:20:30Z"}
    progress = {"total": total, "succeeded": succeeded, "failed": failed}
    return {"id": id, "status": status, **times, "progress": progress}


def job_answer(
    status: str = "succeeded", *, predictions: Sequence[Any] | dict[str, list[Any]] | None = None, **fields: Any
) -> dict[str, Any]:
    """Build the answer about a job. `fields` are those of the answer, and the counts `total`, `succeeded` and `failed`."""
    counts = {name: fields.pop(name) for name in ("total", "succeeded", "failed") if name in fields}
    results = {"predictions": predictions} if predictions is not None else {}
    return {"success": True, "log_id": "log-1", "job": job_info(status, **counts), **results, **fields}


class JobApi(ApiServer):
    command = "jobs"


class ScriptedJobs:
    """A JobsClient without a server.

    Attributes:
        jobs: The client. It gets the prepared answers in turn: (status, body, headers), or an exception that is raised.
        request_count: How many requests the client has sent.
        pauses: The seconds of each pause between two attempts.
    """

    def __init__(self, *answers: Any) -> None:
        self._answers, self.request_count, self.pauses = list(answers), 0, list[float]()
        transport = httpx.MockTransport(self._answer)
        client = ApiClient("https://api.example/prod", API_KEY, httpx.Client(transport=transport), self.pauses.append)
        self.jobs = JobsClient(client)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.request_count += 1
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, body, *headers = answer
        return httpx.Response(status, json=body, headers=headers[0] if headers else {})
