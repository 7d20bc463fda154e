"""The MCP server and the package's own client of it, in one process, with a fake API behind."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from mcp import Client
from mcp.types import CallToolResult, TextContent, Tool

from pigeonhole.client import AsyncClient
from pigeonhole_cli.mcp.folders import Folders
from pigeonhole_cli.mcp.server import create_server
from support.client_api import AT_ONCE, KEY, URL, FakeApi


@dataclass
class InProcess:
    """Calls the tools of a server in this process.

    Attributes:
        api: The API behind the server.
        folders: The folders that the server may read.
        progress: The progress notifications of the last call: done, total and message.
    """

    api: FakeApi = field(default_factory=FakeApi)
    folders: Sequence[Path] = ()
    progress: list[tuple[float, float | None, str | None]] = field(default_factory=list)

    def call(self, tool: str, **arguments: Any) -> CallToolResult:
        """Call a tool, and return its result."""
        self.progress.clear()

        async def note(done: float, total: float | None, message: str | None) -> None:
            self.progress.append((done, total, message))

        async def use(client: Client) -> CallToolResult:
            return await client.call_tool(tool, arguments, progress_callback=note)

        result: CallToolResult = asyncio.run(self._with_client(use))
        return result

    def structured(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool that succeeds, and return its structured content."""
        result = self.call(tool, **arguments)
        assert not result.is_error, text_of(result)
        assert result.structured_content is not None
        return result.structured_content

    def error(self, tool: str, **arguments: Any) -> str:
        """Call a tool that fails, and return the message."""
        result = self.call(tool, **arguments)
        assert result.is_error, text_of(result)
        return text_of(result)

    def tools(self) -> list[Tool]:
        """Return the tools as a client sees them."""

        async def use(client: Client) -> list[Tool]:
            return (await client.list_tools()).tools

        listed: list[Tool] = asyncio.run(self._with_client(use))
        return listed

    async def _with_client(self, use: Any) -> Any:
        transport = httpx.MockTransport(self.api.handle)
        async with (
            AsyncClient(URL, KEY, retries=AT_ONCE, transport=transport) as api,
            Client(create_server(api, Folders(self.folders))) as client,
        ):
            return await use(client)


def text_of(result: CallToolResult) -> str:
    """Return the text of a result."""
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))
