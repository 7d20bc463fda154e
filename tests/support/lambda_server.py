"""Lambda's Invoke API on a loopback port, with a prepared answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from support.stub_server import StubServer


@dataclass
class LambdaServer(StubServer):
    """Answers each invocation alike. A context manager.

    Attributes:
        status: The answer's status.
        headers: The answer's headers.
        body: The answer's body. Without a body the server doesn't answer until the block ends.
        invocations: Path and payload of each invocation.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = b"{}"
    invocations: list[tuple[str, bytes]] = field(default_factory=list)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        if request.command != "POST":
            request.send_error(501)
            return
        self.invocations.append((request.path, request.rfile.read(int(request.headers["Content-Length"]))))
        if self.body is None:
            self.ended.wait(30)
            return
        request.send_response(self.status)
        for name, value in self.headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(self.body)))
        request.end_headers()
        request.wfile.write(self.body)
