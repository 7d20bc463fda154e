"""The HTTP API on a loopback port, answering as told, and the command line in front of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar

from typer.testing import CliRunner, Result

from pigeonhole_cli.main import app
from support.told_server import ToldServer

KEY = "pghSesame"


def refusal(code: str, message: str, *details: tuple[str, str]) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code}
    if details:
        error["details"] = [{"path": path, "message": fault} for path, fault in details]
    return {"success": False, "message": message, "log_id": "log-1", "error": error}


@dataclass
class Answer:
    """One answer. `body`: JSON, or text as it is; None hangs until the test ends."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class ApiServer(ToldServer):
    """Gives `answers` in turn, the last of them for ever; `requests`: what came. A context manager.

    `command`: the part of `pigeonhole` that is run.
    """

    command: ClassVar[str]

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.requests: list[Request] = []
        self._came = threading.Semaphore(0)

    @property
    def environment(self) -> dict[str, str]:
        return {"JIGSAWSTACK_API_URL": f"{self.url}/prod/", "JIGSAWSTACK_API_KEY": KEY}

    def says(self, *answers: Any) -> None:
        """Set the answers; what is no Answer is the body of a 200."""
        self.answers = [each if isinstance(each, Answer) else Answer(each) for each in answers]

    def wait_for_request(self) -> None:
        assert self._came.acquire(timeout=60)

    def run(self, *arguments: str, exit_code: int = 0, input: str | bytes | None = None, **environment: str) -> Result:
        """Run the part's command; the key is in nothing that it prints."""
        result = CliRunner().invoke(app, [self.command, *arguments], input=input, env=self.environment | environment)
        assert result.exit_code == exit_code, result.output + repr(result.exception)
        assert KEY not in result.output
        return result

    def start(self, *arguments: str, stderr: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
        """Run the part's command in a process of its own, which an interrupt reaches whatever this one does with them."""
        return subprocess.Popen(
            [sys.executable, "-m", "pigeonhole_cli", self.command, *arguments],
            env=os.environ | self.environment | {"TERM": "xterm"},
            stdout=subprocess.PIPE,
            stderr=stderr,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # type: ignore[arg-type, return-value]
        )

    def answer(self, http: BaseHTTPRequestHandler) -> None:
        body = http.rfile.read(int(http.headers.get("Content-Length") or 0))
        request = Request(http.command, http.path, dict(http.headers.items()), body)
        self.requests.append(request)
        told = self.told(request)
        self._came.release()
        if told.body is None:
            self.ended.wait(60)
            return
        data = (told.body if isinstance(told.body, str) else json.dumps(told.body)).encode()
        http.send_response(told.status)
        for name, value in {"Content-Length": str(len(data)), **told.headers}.items():
            http.send_header(name, value)
        http.end_headers()
        http.wfile.write(data)

    def told(self, request: Request) -> Answer:
        """The answer to a request, which is among `requests` already."""
        return self.answers[min(len(self.requests), len(self.answers)) - 1]


def seen_on(terminal: int) -> str:
    """All that was written to the other end of a pseudo-terminal, until it was closed."""
    found = b""
    try:
        while more := os.read(terminal, 65_536):
            found += more
    except OSError:  # how Linux tells that the other end is closed
        pass
    os.close(terminal)
    return found.decode()
