"""A fake HTTP API on a loopback port that gives prepared answers, and the command line that calls it."""

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
from support.stub_server import StubServer

API_KEY = "pghSesame"


def error_body(code: str, message: str, *details: tuple[str, str]) -> dict[str, Any]:
    """Build the body of an error response. `details` are paths with their faults."""
    error: dict[str, Any] = {"code": code}
    if details:
        error["details"] = [{"path": path, "message": fault} for path, fault in details]
    return {"success": False, "message": message, "log_id": "log-1", "error": error}


@dataclass
class Answer:
    """A prepared answer.

    Attributes:
        body: JSON, or a text that is sent as it is. None never answers.
        status: The HTTP status.
        headers: Further headers.
    """

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


class ApiServer(StubServer):
    """Gives prepared answers in turn, and repeats the last one. It is a context manager.

    Attributes:
        command: The sub-command of `pigeonhole` that `run` and `start` call.
        answers: The prepared answers.
        requests: The requests that were received.
    """

    command: ClassVar[str]

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.requests: list[Request] = []
        self._received = threading.Semaphore(0)

    @property
    def environment(self) -> dict[str, str]:
        return {"JIGSAWSTACK_API_URL": f"{self.url}/prod/", "JIGSAWSTACK_API_KEY": API_KEY}

    def prepare(self, *answers: Any) -> None:
        """Set the answers. A value that is no Answer is the body of a response 200."""
        self.answers = [answer if isinstance(answer, Answer) else Answer(answer) for answer in answers]

    def wait_for_request(self) -> None:
        assert self._received.acquire(timeout=60)

    def run(self, *arguments: str, exit_code: int = 0, input: str | bytes | None = None, **environment: str) -> Result:
        """Run the sub-command, and check that its output doesn't contain the API key."""
        result = CliRunner().invoke(app, [self.command, *arguments], input=input, env=self.environment | environment)
        assert result.exit_code == exit_code, result.output + repr(result.exception)
        assert API_KEY not in result.output
        return result

    def start(self, *arguments: str, stderr: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
        """Run the sub-command in a process of its own that handles interrupts."""
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
        answer = self.answer_to(request)
        self._received.release()
        if answer.body is None:
            self.ended.wait(60)
            return
        data = (answer.body if isinstance(answer.body, str) else json.dumps(answer.body)).encode()
        http.send_response(answer.status)
        for name, value in {"Content-Length": str(len(data)), **answer.headers}.items():
            http.send_header(name, value)
        http.end_headers()
        http.wfile.write(data)

    def answer_to(self, request: Request) -> Answer:
        """Return the answer to a request that was appended to `requests`."""
        return self.answers[min(len(self.requests), len(self.answers)) - 1]


def read_terminal(terminal: int) -> str:
    """Read what was written to the other end of a pseudo-terminal until that was closed."""
    output = b""
    try:
        while chunk := os.read(terminal, 65_536):
            output += chunk
    except OSError:  # Linux raises it when the other end is closed
        pass
    os.close(terminal)
    return output.decode()
