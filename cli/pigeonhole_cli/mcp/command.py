"""`pigeonhole mcp`: serve the tools to an agent, over standard input and output or over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pigeonhole_cli.api_options import EXIT_FAILED, ApiKey, Url, check_connection
from pigeonhole_cli.console import say
from pigeonhole_cli.local.process import LocalError, open_port

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
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="With --http: the port, or 0 for any free one.")
    ] = DEFAULT_HTTP_PORT,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """Serve the classifier as tools of an agent (Model Context Protocol).

    Agents start this command themselves: docs/mcp.md has the settings of Claude, Cursor and VS Code.
    """
    try:
        import anyio

        from pigeonhole_cli.mcp.folders import Folders
        from pigeonhole_cli.mcp.serving import serve_http, serve_stdio
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("mcp", "uvicorn"):
            raise
        say(EXTRA)
        raise typer.Exit(EXIT_FAILED) from None
    address, key = check_connection(url, api_key)
    try:
        folders = Folders(folder or ())
    except OSError as error:
        raise typer.BadParameter(str(error), param_hint="--folder") from None
    if not http:
        anyio.run(serve_stdio, address, key, folders)
        return
    try:
        listening = open_port(port, f"--port {DEFAULT_HTTP_PORT + 1}")
    except LocalError as error:
        say(f"error: {error}")
        raise typer.Exit(EXIT_FAILED) from None
    anyio.run(serve_http, address, key, folders, listening, lambda served: say(f"Serving {served} until Ctrl-C."))
