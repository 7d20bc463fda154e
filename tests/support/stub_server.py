"""The base of the tests' HTTP servers with prepared answers. Servers that misbehave are in loopback.py."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class StubServer:
    """Serves on a loopback port that the system chooses, while its `with` block lasts.

    Attributes:
        url: The server's address.
        ended: Is set when the block ends, for an answer that hangs until then.
    """

    url: str
    ended: threading.Event

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request. Several may come at a time, each in its own thread."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        outer, self.ended = self, threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                outer.answer(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
