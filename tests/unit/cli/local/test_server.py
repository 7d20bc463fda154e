"""What isn't HTTP is answered in the contract's shape."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.protocol.h11 import H11Protocol

from pigeonhole.contract.classification import ErrorResponse
from pigeonhole_cli.local.asgi import Message
from pigeonhole_cli.local.server import answer_broken_requests
from support.cli.asgi import in_loop


async def never(scope: Message, receive: Any, send: Any) -> None:
    assert scope["type"] == "lifespan", "no request reaches the app"


@pytest.mark.parametrize(
    "request_bytes",
    [
        "GET /v1/label-sets/\N{GRINNING FACE} HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 200_000,
        b"hello\r\n\r\n",
    ],
    ids=["a path that isn't ASCII", "a length that is no number", "long headers", "no HTTP"],
)
@in_loop
async def test_a_broken_request_is_an_invalid_one(request_bytes: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(H11Protocol, "_send_error_response", H11Protocol._send_error_response)  # restored after the test
    answer_broken_requests()
    listening, ended = socket.create_server(("127.0.0.1", 0)), asyncio.Event()
    config, port = Config(), listening.getsockname()[1]
    config.bind = [f"fd://{listening.detach()}"]
    serving = asyncio.ensure_future(serve(never, config, shutdown_trigger=ended.wait))  # type: ignore[arg-type]

    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request_bytes)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    ended.set()
    await serving

    assert head.startswith(b"HTTP/1.1 400")
    assert b"content-type: application/json" in head.lower()
    assert ErrorResponse.model_validate_json(body).error.code == "invalid_request"
