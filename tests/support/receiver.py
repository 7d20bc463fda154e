"""A webhook's receiver on this machine, with prepared answers."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATH = "/hook"


@dataclass(frozen=True)
class Posted:
    """One POST. The names of its headers are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Stores each POST, and answers with the next of `statuses`, then with 204. A context manager."""

    def __init__(self, *statuses: int) -> None:
        self.posted: list[Posted] = []
        self._statuses = list(statuses)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.posted.append(Posted(self.path, headers, body))
                status = outer._statuses.pop(0) if outer._statuses else 204
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("location", outer.url("/elsewhere"))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    def url(self, path: str = PATH) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def __enter__(self) -> Receiver:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
