"""Serve the tools over standard input and output, or over HTTP on loopback."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable
from socket import socket

import uvicorn

from pigeonhole.client import AsyncClient
from pigeonhole_cli.console import say
from pigeonhole_cli.local.process import HOST
from pigeonhole_cli.mcp.folders import Folders
from pigeonhole_cli.mcp.server import create_server

PATH = "/mcp"
BY_HAND = "An agent starts this command and writes to its standard input: see docs/mcp.md. Ctrl-C ends it."
SHUTDOWN_S = 1  # an agent keeps a connection open for events, which would delay the end


async def serve_stdio(url: str, api_key: str, folders: Folders) -> None:
    """Serve one agent until it closes standard input. Ctrl-C ends the process at once.

    Args:
        url: The address of the API.
        api_key: Its key.
        folders: The files that the tools may read.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a thread waits for input, and nothing else would end it
    if sys.stdin.isatty():
        say(BY_HAND)
    async with AsyncClient(url, api_key) as client:
        await create_server(client, folders).run_stdio_async()


async def serve_http(url: str, api_key: str, folders: Folders, listening: socket, on_start: Callable[[str], None]) -> None:
    """Serve agents of this machine by streamable HTTP, until a signal ends the process.

    Requests of web pages are refused: the package checks `Host` and `Origin`, because the server listens on loopback.

    Args:
        url: The address of the API.
        api_key: Its key.
        folders: The files that the tools may read.
        listening: A socket on HOST.
        on_start: Is called with the server's address when it serves.
    """
    async with AsyncClient(url, api_key) as client:
        app = create_server(client, folders).streamable_http_app(streamable_http_path=PATH, host=HOST)
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=SHUTDOWN_S)
        address = f"http://{HOST}:{listening.getsockname()[1]}{PATH}"
        await _Server(config, lambda: on_start(address)).serve(sockets=[listening])


class _Server(uvicorn.Server):
    """Reports its start. From then on it handles signals, and a Ctrl-C ends it without messages about its connections."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_start = on_start

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_start()

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # each open event stream is cut, and is no error
        await super().shutdown(sockets)
