"""The ASGI middleware in front of ministack: the API on a port of its own, and a guard before the emulated AWS.

A request to the API waits for a slot, because it occupies a process of functions/api. An invocation of functions/classify waits
too, because its process holds a model. No other call to the emulated AWS waits: it may come from a function that has a slot.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

from pigeonhole.errors import Forbidden, Overloaded
from pigeonhole.tenants.sent_api_key import find_api_key
from pigeonhole_cli.local.asgi import App, ClientGone, Message, Receive, Request, Scope, Send, read_request
from pigeonhole_cli.local.capacity import MAX_BODY_BYTES, MAX_INVOCATION_QUEUE_S, MAX_QUEUE_S, Capacity
from pigeonhole_cli.local.contract_shape import in_contract_shape, send_error
from pigeonhole_cli.local.slots import Slots
from pigeonhole_cli.local.waits import asks_to_wait, shorten_wait

BROWSER_HEADERS = {b"origin", b"sec-fetch-site"}  # browsers send them with calls to another site, AWS clients don't
HOST_NAMES = (b"127.0.0.1", b"localhost")

_INVOCATION = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")


class ApiPort:
    """Adds ministack's path prefix to requests of the API's port, lets them wait for a slot, and guards the other port.

    On the API's port, method, query, headers and bodies reach ministack unchanged, and each error has the contract's shape.
    Only the time that a request asks to wait for a job is shortened, by the time that it waited for its turn. And an API key in
    `Authorization: Bearer` is sent as `x-api-key` as well.

    The other port is the emulated AWS, whose root credentials are public. Requests from web pages are refused there:
    otherwise any page that is open in a browser on this machine could run code on it. A page can point its own host name at
    this machine (DNS rebinding). Its requests then look like calls to its own site, but the Host header names that site.
    """

    def __init__(self, app: App, port: int, route_file: Path, capacity: Capacity) -> None:
        """Create the middleware.

        Args:
            app: ministack.
            port: The API's port.
            route_file: What `LocalProcess.route_to` writes.
            capacity: How many requests may run at the same time.
        """
        self._app, self._port, self._route_file = app, port, route_file
        self._api = in_contract_shape(self._handle_api)
        self._prefix, self._read_at = "", 0
        self._max_queued = capacity.queued
        self._requests = Slots(capacity.requests, max_queued=capacity.queued, max_wait_s=MAX_QUEUE_S)
        self._waits = Slots(capacity.waits, max_queued=capacity.queued, max_wait_s=MAX_QUEUE_S)
        self._invocations: dict[str, Slots] = {}  # by the function's ARN

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an ASGI connection."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        self._read_route()
        try:
            if scope["server"][1] != self._port:
                await self._handle_aws(scope, receive, send)
            elif scope["type"] == "websocket":
                await send({"type": "websocket.close"})
            else:
                await self._api(scope, receive, send)
        except ClientGone:
            return

    async def _handle_api(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._prefix:
            raise Overloaded("The local stack is starting.")
        raw_path = self._prefix.encode() + (scope.get("raw_path") or scope["path"].encode())
        headers = _with_api_key(scope["headers"])
        scope = {**scope, "path": self._prefix + scope["path"], "raw_path": raw_path, "headers": headers}
        async with read_request(receive, MAX_BODY_BYTES) as request:
            if not asks_to_wait(scope):
                await self._requests.acquire(request.leaving)
                return await self._run(self._requests, scope, request, send)
            # These have slots of their own, so that they don't delay the others.
            began_s = monotonic()
            await self._waits.acquire(request.leaving)
            await self._run(self._waits, shorten_wait(scope, int(monotonic() - began_s)), request, send)

    async def _handle_aws(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _is_for_this_machine(scope):
            return await _refuse(scope, send, "The emulated AWS answers only to 127.0.0.1 and localhost.")
        if any(name in BROWSER_HEADERS for name, _ in scope["headers"]):
            return await _refuse(scope, send, "The emulated AWS does not answer web pages.")
        invocation = _INVOCATION.fullmatch(scope["path"])
        slots = self._invocations.get(invocation[1]) if invocation else None
        if slots is None:
            return await self._app(scope, receive, send)
        async with read_request(receive) as request:
            try:
                await slots.acquire(request.leaving)
            except Overloaded:  # all runs are taken, so ministack refuses this one, as Lambda does
                return await self._app(scope, request.receive, send)
            await self._run(slots, scope, request, send)

    async def _run(self, slots: Slots, scope: Scope, request: Request, send: Send) -> None:
        """Pass a request that has a slot to ministack.

        The slot is released with the first message of the answer, because a client may take long to read the rest.
        """
        with ExitStack() as slot:
            slot.callback(slots.release)

            async def release_and_send(message: Message) -> None:
                slot.close()
                await send(message)

            await self._app(scope, request.receive, release_and_send)

    def _read_route(self) -> None:
        """Read the route file if it has changed."""
        try:
            changed_at = self._route_file.stat().st_mtime_ns
        except FileNotFoundError:
            return
        if changed_at != self._read_at:
            route = json.loads(self._route_file.read_text())
            self._prefix, self._read_at = f"/restapis/{route['api_id']}/{route['stage']}/_user_request_", changed_at
            self._invocations = {
                function: Slots(runs, max_queued=self._max_queued, max_wait_s=MAX_INVOCATION_QUEUE_S)
                for function, runs in route["runs"].items()
            }


def _with_api_key(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers of a request with its API key as `x-api-key`, as functions/authorize finds it."""
    by_name = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
    api_key = find_api_key(by_name)
    if api_key is None or by_name.get("x-api-key"):
        return [*headers]
    return [*(header for header in headers if header[0].lower() != b"x-api-key"), (b"x-api-key", api_key.encode("latin-1"))]


def _is_for_this_machine(scope: Scope) -> bool:
    """Whether there is exactly one Host header and it is a name of this machine, with or without the port."""
    hosts = [value.lower() for name, value in scope["headers"] if name == b"host"]
    port = b":%d" % scope["server"][1]  # clients leave out port 80
    return len(hosts) == 1 and hosts[0].removesuffix(port) in HOST_NAMES


async def _refuse(scope: Scope, send: Send, message: str) -> None:
    if scope["type"] == "websocket":
        return await send({"type": "websocket.close"})
    await send_error(send, Forbidden(message))
