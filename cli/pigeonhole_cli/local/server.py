"""The server process of the local stack. One ASGI server serves ministack on one socket and the deployed API on another.

`local/process.py` opens the sockets, sets the environment and starts the process:
`python -m pigeonhole_cli.local.server AWS_FD API_FD LOCK_FD ROUTE_FILE`. The lock is that of the data folder. The route file
names the deployed API and its stage. It is read again whenever it changes.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from pathlib import Path

from pigeonhole_cli.local.asgi import App, Receive, Scope, Send
from pigeonhole_cli.local.snapshots import Snapshots

BROWSER_HEADERS = {b"origin", b"sec-fetch-site"}  # browsers send them with calls to another site, AWS clients don't
HOST_NAMES = (b"127.0.0.1", b"localhost")


class ApiPort:
    """ASGI middleware: adds ministack's path prefix to requests of the API's port, and guards the other port.

    On the API's port only the path changes: method, query, headers and bodies stream through unchanged.

    The other port is the emulated AWS, whose root credentials are public. Requests from web pages are refused there:
    otherwise any page that is open in a browser on this machine could run code on it. A page can point its own host name at
    this machine (DNS rebinding). Its requests then look like calls to its own site, but the Host header names that site.
    """

    def __init__(self, app: App, port: int, route_file: Path) -> None:
        """Create the middleware.

        Args:
            app: ministack.
            port: The API's port.
            route_file: Names the deployed API and its stage.
        """
        self._app, self._port, self._route_file = app, port, route_file
        self._prefix, self._read_at = "", 0

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an ASGI connection."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["server"][1] != self._port:
            if not _is_for_this_machine(scope):
                return await _refuse(scope, send, 403, "forbidden", "The emulated AWS answers only to 127.0.0.1 and localhost.")
            if any(name in BROWSER_HEADERS for name, _ in scope["headers"]):
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
    """Whether there is exactly one Host header and it is a name of this machine, with or without the port."""
    hosts = [value.lower() for name, value in scope["headers"] if name == b"host"]
    port = b":%d" % scope["server"][1]  # clients leave out port 80
    return len(hosts) == 1 and hosts[0].removesuffix(port) in HOST_NAMES


async def _refuse(scope: Scope, send: Send, status: int, code: str, message: str) -> None:
    if scope["type"] == "websocket":
        return await send({"type": "websocket.close"})
    body = json.dumps({"success": False, "message": message, "log_id": "", "error": {"code": code}}).encode()
    headers = [(b"content-type", b"application/json"), *([(b"retry-after", b"1")] if status == 503 else [])]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def serve(aws_fd: int, api_fd: int, lock_fd: int, route_file: Path) -> None:
    """Serve until SIGINT, SIGTERM or the end of standard input. The state is saved meanwhile, and when the server stops."""
    import ministack.app
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config
    from ministack.core.persistence import STATE_DIR
    from ministack.services import lambda_svc, sqs

    # ministack finds queues by their address. With this start's port in it, the next start would lose the queues.
    sqs.DEFAULT_PORT, sqs._CANONICAL_NETLOC = "80", f"{sqs.DEFAULT_HOST}:80"

    # ministack saves the read position of a stream, but not the stream's records. With the old position, it would skip new
    # records.
    restore = lambda_svc._restore_esm_positions
    lambda_svc._restore_esm_positions = lambda store, positions: (
        None if store is lambda_svc._dynamodb_stream_positions else restore(store, positions)
    )

    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    loop.add_reader(sys.stdin.fileno(), ended.set)  # readable only at its end, when the parent process has ended

    snapshots = Snapshots(Path(STATE_DIR), ministack.app._build_persistence_save_dict, route_file.exists, lock_fd)
    ministack.app.save_all = lambda services: snapshots.save()  # ministack calls it when the server stops
    saving = asyncio.create_task(snapshots.run())

    with socket.socket(fileno=socket.dup(api_fd)) as api:
        api_port = api.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{aws_fd}", f"fd://{api_fd}"]
    config.keep_alive_timeout = 75
    handle = ApiPort(snapshots.watch(ministack.app.app), api_port, route_file).handle
    await hypercorn_serve(handle, config, shutdown_trigger=ended.wait)  # type: ignore[arg-type]
    saving.cancel()


def main() -> None:
    """Serve with the arguments of the command line."""
    aws_fd, api_fd, lock_fd = map(int, sys.argv[1:4])
    asyncio.run(serve(aws_fd, api_fd, lock_fd, Path(sys.argv[4])))


if __name__ == "__main__":
    main()
