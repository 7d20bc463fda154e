"""The local stack's process: ministack on one socket, the deployed API at `/` of another, both served by one ASGI server.

process.py starts it as `python -m pigeonhole_cli.local.server AWS_FD API_FD ROUTE_FILE`, having opened the sockets and
set the environment. The route file names the deployed API and stage; it is read again whenever it changes.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BROWSERS_OWN = {b"origin", b"sec-fetch-site"}  # no AWS client sends them; browsers mark calls to another site with them
OWN_NAMES = (b"127.0.0.1", b"localhost")


class ApiPort:
    """Give requests that come in on `port` the prefix under which ministack serves the API.

    Only the path changes: method, query, headers and bodies stream through as they are. The other port is the emulated AWS,
    whose root credentials are known to all: what comes from a web page is refused there, or any page that is open on this
    machine could run code on it. A page whose own name has been pointed at this machine looks like no page, since it calls
    its own site: its name as Host gives it away.
    """

    def __init__(self, app: App, port: int, route_file: Path) -> None:
        self._app, self._port, self._route_file = app, port, route_file
        self._prefix, self._read_at = "", 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["server"][1] != self._port:
            if not _is_for_this_machine(scope):
                return await _refuse(
                    scope, send, 403, "forbidden", "The emulated AWS answers to 127.0.0.1 and localhost alone."
                )
            if any(name in BROWSERS_OWN for name, _ in scope["headers"]):
                return await _refuse(scope, send, 403, "forbidden", "The emulated AWS does not answer web pages.")
            return await self._app(scope, receive, send)
        prefix = self._current_prefix()
        if scope["type"] != "http" or not prefix:
            return await _refuse(scope, send, 503, "overloaded", "The local stack is starting.")
        raw_path = prefix.encode() + (scope.get("raw_path") or scope["path"].encode())
        return await self._app({**scope, "path": prefix + scope["path"], "raw_path": raw_path}, receive, send)

    def _current_prefix(self) -> str:
        try:
            changed_at = self._route_file.stat().st_mtime_ns
        except FileNotFoundError:
            return ""
        if changed_at != self._read_at:
            route = json.loads(self._route_file.read_text())
            self._prefix, self._read_at = f"/restapis/{route['api_id']}/{route['stage']}/_user_request_", changed_at
        return self._prefix


def _is_for_this_machine(scope: Scope) -> bool:
    """Whether Host, of which there must be one, is a name of this machine, with the port or without."""
    hosts = [value.lower() for name, value in scope["headers"] if name == b"host"]
    port = b":%d" % scope["server"][1]  # a client leaves it out where it is http's own
    return len(hosts) == 1 and hosts[0].removesuffix(port) in OWN_NAMES


async def _refuse(scope: Scope, send: Send, status: int, code: str, message: str) -> None:
    if scope["type"] == "websocket":
        return await send({"type": "websocket.close"})
    body = json.dumps({"success": False, "message": message, "log_id": "", "error": {"code": code}}).encode()
    headers = [(b"content-type", b"application/json"), *([(b"retry-after", b"1")] if status == 503 else [])]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def serve(aws_fd: int, api_fd: int, route_file: Path) -> None:
    """Serve until SIGINT, SIGTERM or the end of standard input; ministack saves its state as the server goes down."""
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config
    from ministack.app import app
    from ministack.services import lambda_svc, sqs

    # A queue is kept by its address, which would have the port of the start that made it: queues would be lost at another's.
    sqs.DEFAULT_PORT, sqs._CANONICAL_NETLOC = "80", f"{sqs.DEFAULT_HOST}:80"

    # How far a stream was read is kept, and what is in it is not: what comes next would be taken for read already.
    restore = lambda_svc._restore_esm_positions
    lambda_svc._restore_esm_positions = lambda store, kept: (
        None if store is lambda_svc._dynamodb_stream_positions else restore(store, kept)
    )

    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    loop.add_reader(sys.stdin.fileno(), ended.set)  # nobody writes there: who started this process has gone

    with socket.socket(fileno=socket.dup(api_fd)) as api:
        api_port = api.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{aws_fd}", f"fd://{api_fd}"]
    config.keep_alive_timeout = 75
    await hypercorn_serve(ApiPort(app, api_port, route_file), config, shutdown_trigger=ended.wait)  # type: ignore[arg-type]


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
