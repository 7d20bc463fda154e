"""ASGI's types, and a request whose body has arrived."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from pigeonhole.errors import TooLarge

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class ClientGone(Exception):
    """The client closed its connection before its request was answered."""


class Request:
    """A request whose body has arrived.

    Attributes:
        leaving: Is done when the client has gone.
    """

    def __init__(self, body: bytes, leaving: asyncio.Future[Message]) -> None:
        """Create a request from its body and the message that follows it, the client's disconnect."""
        self._body: bytes | None = body
        self.leaving = leaving

    async def receive(self) -> Message:
        """Return the body as one message, and then the disconnect."""
        if self._body is None:
            return await asyncio.shield(self.leaving)
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


@asynccontextmanager
async def read_request(receive: Receive, max_bytes: float = float("inf")) -> AsyncIterator[Request]:
    """Read a request's body, and watch for the client's disconnect until the context is left.

    Raises:
        ClientGone: The client has gone before the end of the body.
        TooLarge: The body has more than `max_bytes`. It was read to its end, because a client reads no answer while it sends.
    """
    chunks, size, has_more = [], 0, True
    while has_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk, has_more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        if size <= max_bytes:
            chunks.append(chunk)
    if size > max_bytes:
        raise TooLarge("The request is too large. Send images by URL, or split the dataset.")
    leaving = asyncio.ensure_future(receive())
    try:
        yield Request(b"".join(chunks), leaving)
    finally:
        leaving.cancel()
