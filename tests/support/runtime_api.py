"""A Lambda Runtime API over HTTP, which sends invocations to one runtime and receives its answers, as Lambda does.

It has only what a function needs of https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

BASE = "/2018-06-01/runtime/"


@dataclass(frozen=True)
class Answer:
    """What the runtime posted.

    Attributes:
        kind: "response", "error" if the handler raised, or "init" if the handler could not be imported.
        body: The parsed JSON.
    """

    kind: str
    body: Any


class RuntimeApi:
    """A server on a loopback port that the system chooses.

    Attributes:
        address: The value of AWS_LAMBDA_RUNTIME_API.
    """

    def __init__(self, invocation_s: float = 60.0) -> None:
        """Create a server that waits for an answer for `invocation_s` seconds."""
        self._invocation_s = invocation_s
        self._events: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._answers: queue.Queue[tuple[str, Answer]] = queue.Queue()
        self._closed = threading.Event()
        self._sent = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the runtime's process, as Lambda sets them for functions/classify."""
        return {
            "PATH": "/usr/bin:/bin",
            "AWS_LAMBDA_RUNTIME_API": self.address,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_FUNCTION_NAME": "classify",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
        }

    def __enter__(self) -> RuntimeApi:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def invoke(self, event: object) -> Answer:
        """Send an event and wait for its answer. Raises queue.Empty after `invocation_s` seconds."""
        self._sent += 1
        request_id = f"00000000-0000-4000-8000-{self._sent:012d}"
        self._events.put((request_id, json.dumps(event).encode()))
        answered, answer = self._answers.get(timeout=self._invocation_s)
        assert answer.kind == "init" or answered == request_id, "the runtime answers another invocation"
        return answer

    def init_error(self) -> Answer:
        """Wait for the error of a runtime that can't start. Raises queue.Empty after `invocation_s` seconds."""
        return self._answers.get(timeout=self._invocation_s)[1]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body are two segments. The second would wait for the delayed acknowledgement of the first, for 40 ms.
            disable_nagle_algorithm = True

            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):  # The runtime has ended.
                    super().handle()

            def do_GET(self) -> None:
                if self.path != BASE + "invocation/next":
                    return self.send_error(404)
                while not api._closed.is_set():
                    try:
                        request_id, event = api._events.get(timeout=0.05)
                    except queue.Empty:
                        continue
                    return self._reply(
                        200,
                        event,
                        {
                            "Lambda-Runtime-Aws-Request-Id": request_id,
                            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + api._invocation_s) * 1000)),
                            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-west-1:123456789012:function:classify",
                            "Lambda-Runtime-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0",
                        },
                    )
                self.close_connection = True
                return None

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                match self.path.removeprefix(BASE).split("/"):
                    case ["invocation", request_id, ("response" | "error") as kind]:
                        api._answers.put((request_id, Answer(kind, body)))
                    case ["init", "error"]:
                        api._answers.put(("", Answer("init", body)))
                    case _:
                        return self.send_error(404)
                return self._reply(202, b'{"status":"OK"}', {})

            def _reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Write no log, so that the output of the test stays readable."""

        return Handler
