"""The MCP server: the tools, and what it says of itself."""

from __future__ import annotations

import inspect
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, InputRequiredResult, ToolAnnotations
from pydantic import ValidationError

from pigeonhole import __version__
from pigeonhole.client import AsyncClient
from pigeonhole_cli.mcp.errors import explain_arguments
from pigeonhole_cli.mcp.folders import NO_FOLDERS, Folders
from pigeonhole_cli.mcp.tools import Tools

INSTRUCTIONS = (
    "Sorts texts and images into labels that you name in the call, with no training. The answers are labels with calibrated "
    "probabilities, from local models: no text is generated. Name labels as a person would say them. Use `other` for what fits "
    "nothing."
)


class PigeonholeServer(MCPServer[Any]):
    """The server of the tools. Its errors about arguments are written for agents."""

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool.

        Raises:
            ToolError: The call failed. The message says what to change.
        """
        await self._check_names(name, arguments)
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            if isinstance(error.__cause__, ValidationError):
                raise ToolError(f"{name}: {explain_arguments(error.__cause__)}") from error.__cause__
            raise

    async def _check_names(self, name: str, arguments: dict[str, Any]) -> None:
        """Refuse arguments that a tool doesn't have. The package ignores them, so a misspelt one would be lost."""
        known = next((list(tool.input_schema["properties"]) for tool in await self.list_tools() if tool.name == name), None)
        if known is not None and (unknown := [argument for argument in arguments if argument not in known]):
            raise ToolError(f"{name}: has no argument {', '.join(unknown)}. It has: {', '.join(known) or 'none'}.")


def create_server(client: AsyncClient, folders: Folders) -> PigeonholeServer:
    """Create the server.

    Args:
        client: The API.
        folders: The files that may be read.
    """
    names = ", ".join(map(str, folders.folders))
    files = f"Files can be read in {names}." if names else NO_FOLDERS + "."
    server = PigeonholeServer(
        "pigeonhole", title="Pigeonhole", instructions=f"{INSTRUCTIONS} {files}", version=__version__, log_level="WARNING"
    )
    tools = Tools(client, folders)
    reading = ToolAnnotations(read_only_hint=True, open_world_hint=False)
    fetching = ToolAnnotations(read_only_hint=True, open_world_hint=True)  # the service fetches addresses of images
    submitting = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True)
    for tool, title, hints in (
        (tools.classify_texts, "Classify texts", reading),
        (tools.classify_images, "Classify images", fetching),
        (tools.ask, "Ask questions about texts or images", fetching),
        (tools.list_label_sets, "List label sets", reading),
        (tools.classify_with_label_set, "Classify with a label set", fetching),
        (tools.submit_job, "Submit a job", submitting),
        (tools.job_status, "Status and results of a job", reading),
    ):
        server.add_tool(tool, title=title, description=inspect.getdoc(tool), annotations=hints)
    return server
