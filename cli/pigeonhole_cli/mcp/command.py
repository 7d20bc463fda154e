"""`pigeonhole mcp`: serve the tools to an agent, over standard input and output or over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pigeonhole_cli.api_options import EXIT_FAILED, ApiKey, Url, check_connection
from pigeonhole_cli.console import say

HOST = "127.0.0.1"
DEFAULT_HTTP_PORT = 8090
EXTRA = "error: `pigeonhole mcp` needs the package mcp: .venv/bin/pip install -e '.[mcp]'"


def mcp(
    folder: Annotated[
        list[Path] | None,
        typer.Option(help="A folder whose files the tools may read. Repeat the option for more. Default: they read no files."),
    ] = None,
    http: Annotated[
        bool, typer.Option("--http", help="Serve streamable HTTP on 127.0.0.1, and not standard input and output.")
    ] = False,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="With --http: the port.")] = DEFAULT_HTTP_PORT,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """Serve the classifier as tools of an agent (Model Context Protocol).

    Agents start this command themselves: docs/mcp.md has the settings of Claude, Cursor and VS Code.
    """
    try:
        import anyio

        from pigeonhole.client import AsyncClient
        from pigeonhole_cli.mcp.folders import Folders
        from pigeonhole_cli.mcp.server import create_server
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "mcp":
            raise
        say(EXTRA)
        raise typer.Exit(EXIT_FAILED) from None
    address, key = check_connection(url, api_key)
    try:
        folders = Folders(folder or ())
    except OSError as error:
        raise typer.BadParameter(str(error), param_hint="--folder") from None

    async def serve() -> None:
        async with AsyncClient(address, key) as client:
            server = create_server(client, folders)
            if http:
                say(f"Serving http://{HOST}:{port}/mcp until Ctrl-C.")
                await server.run_streamable_http_async(host=HOST, port=port)
            else:
                await server.run_stdio_async()

    anyio.run(serve)
