"""A fake ministack behind the API's port, and clients in front of it, both in ASGI."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, ParamSpec

from pigeonhole_cli.local.api_port import ApiPort
from pigeonhole_cli.local.asgi import App, Message
from pigeonhole_cli.local.capacity import Capacity

P = ParamSpec("P")
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:classify"
GONE = {"type": "http.disconnect"}
BODY = {"type": "http.request", "body": b"{}", "more_body": False}
SMALL = Capacity(classify=1, requests=1, waits=1, queued=10)


class FakeMinistack:
    """An ASGI app that records each request, and answers it once `go_on` is set.

    Attributes:
        running: How many requests aren't answered yet.
        go_on: Set at first.
    """

    def __init__(self) -> None:
        self.scopes: list[Message] = []
        self.bodies: list[bytes] = []
        self.running = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        if scope["type"] != "http":
            return
        self.bodies.append((await receive())["body"])
        self.running += 1
        await self.go_on.wait()
        self.running -= 1
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


def http_scope(path: str, port: int = 80, **more: Any) -> Message:
    return {
        "type": "http",
        "server": ("127.0.0.1", port),
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"a=1&a=%20",
        "headers": [(b"host", f"127.0.0.1:{port}".encode()), (b"x-api-key", b"k")],
        **more,
    }


class Client:
    """A client that has sent its request, and stays until `leave`.

    Attributes:
        sent: The messages of the answer.
        task: Handles the request.
    """

    def __init__(self, app: ApiPort, scope: Message, *body: Message) -> None:
        self.sent: list[Message] = []
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        for message in body or (BODY,):
            self.put(message)
        self.task = asyncio.ensure_future(app.handle(scope, self._incoming.get, self._send))

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    def put(self, message: Message) -> None:
        self._incoming.put_nowait(message)

    def leave(self) -> None:
        self.put(GONE)

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(20):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def api_port(app: App, route: Path, capacity: Capacity = SMALL) -> ApiPort:
    return ApiPort(app, 80, route, capacity)


def ask(app: ApiPort, scope: Message) -> list[Message]:
    async def run() -> list[Message]:
        client = Client(app, scope)
        await client.task
        return client.sent

    return asyncio.run(run())


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test on an event loop."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def limited() -> None:
            async with asyncio.timeout(30):
                await test(*args, **kwargs)

        asyncio.run(limited())

    return run
