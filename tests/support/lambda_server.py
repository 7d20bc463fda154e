"""Lambda's Invoke API on a loopback port, answering as told."""

from __future__ import annotations

from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from support.told_server import ToldServer


@dataclass
class LambdaServer(ToldServer):
    """Answers each invocation with `status`, `headers` and `body`; without a body it hangs until the end. A context manager.

    `invocations`: path and payload of each that came.
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
