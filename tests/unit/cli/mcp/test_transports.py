"""`pigeonhole mcp` as agents start it: over standard input and output, and over HTTP. The package's own client calls it."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult

from support.cli.api_server import ApiServer
from support.cli.mcp_server import text_of
from support.client_api import USAGE

LABELS = ["positive", "negative"]
ANSWER = {"success": True, "log_id": "1", "predictions": ["positive"], "_usage": USAGE}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "page", "version": "1"}},
}


class McpApi(ApiServer):
    command = "mcp"


@pytest.fixture
def mcp_api() -> Iterator[McpApi]:
    with McpApi() as server:
        server.prepare(ANSWER)
        yield server


def over_stdio(api: McpApi, *arguments: str) -> StdioServerParameters:
    command = ["-m", "pigeonhole_cli", "mcp", *arguments]
    return StdioServerParameters(command=sys.executable, args=command, env=api.environment)


@contextmanager
def over_http(api: McpApi, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Start the server, and yield its process and its address."""
    with api.start("--http", "--port", "0", *arguments) as process:
        try:
            assert process.stderr
            address = re.search(r"http://127\.0\.0\.1:\d+/mcp", process.stderr.readline().decode())
            assert address
            yield process, address[0]
        finally:
            process.kill()


def call(server: StdioServerParameters | str, tool: str, *, mode: str = "auto", **arguments: Any) -> CallToolResult:
    async def use() -> CallToolResult:
        async with Client(server, mode=mode) as client:
            return await client.call_tool(tool, arguments)

    return asyncio.run(asyncio.wait_for(use(), 60))


def labels_of(result: CallToolResult) -> list[str]:
    assert result.structured_content, text_of(result)
    labels: list[str] = result.structured_content["results"][0]["labels"]
    return labels


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_tool_is_called_over_standard_input_and_output(mcp_api: McpApi, mode: str) -> None:
    assert labels_of(call(over_stdio(mcp_api), "classify_texts", mode=mode, texts=["fine"], labels=LABELS)) == ["positive"]


def test_a_file_of_the_folder_is_read_over_standard_input_and_output(mcp_api: McpApi, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("photos/a.png", "secret.png"):
        (tmp_path / name).write_bytes(b"x")
    server = over_stdio(mcp_api, "--folder", str(tmp_path / "photos"))

    assert labels_of(call(server, "classify_images", images=["a.png"], labels=LABELS)) == ["positive"]
    refused = call(server, "classify_images", images=["../secret.png"], labels=LABELS)

    assert refused.is_error
    assert "is outside of the folders" in text_of(refused)
    assert len(mcp_api.requests) == 1


def test_it_ends_when_the_agent_closes_standard_input(mcp_api: McpApi) -> None:
    command = [sys.executable, "-m", "pigeonhole_cli", "mcp"]

    ended = subprocess.run(command, env=mcp_api.environment, input=b"", capture_output=True, timeout=60)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_tool_is_called_over_http(mcp_api: McpApi, mode: str) -> None:
    with over_http(mcp_api) as (_, address):
        assert labels_of(call(address, "classify_texts", mode=mode, texts=["fine"], labels=LABELS)) == ["positive"]


@pytest.mark.parametrize(
    ("headers", "status"), [({"origin": "https://evil.example"}, 403), ({"host": "evil.example"}, 421)], ids=str
)
def test_a_web_page_can_not_call_the_tools(mcp_api: McpApi, headers: dict[str, str], status: int) -> None:
    accepted = {"accept": "application/json, text/event-stream"}
    with over_http(mcp_api) as (_, address):
        assert httpx.post(address, json=INITIALIZE, headers=accepted).status_code == 200
        assert httpx.post(address, json=INITIALIZE, headers=accepted | headers).status_code == status


def test_it_listens_only_on_loopback(mcp_api: McpApi) -> None:
    with over_http(mcp_api) as (_, address), socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", int(address.rpartition(":")[2].removesuffix("/mcp"))))


def test_ctrl_c_ends_the_http_server_without_a_trace_while_an_agent_is_connected(mcp_api: McpApi) -> None:
    async def interrupt(process: subprocess.Popen[bytes], address: str) -> int:
        with anyio.move_on_after(30):
            async with Client(address, mode="legacy") as client:
                await client.list_tools()
                process.send_signal(signal.SIGINT)
                return await asyncio.to_thread(process.wait, 20)
        raise AssertionError("the client has not noticed the end")

    with over_http(mcp_api) as (process, address):
        assert asyncio.run(interrupt(process, address)) == 130
        assert process.stderr
        assert process.stderr.read() == b""


def test_in_a_terminal_it_says_what_it_is_for_and_ctrl_c_ends_it(mcp_api: McpApi) -> None:
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "pigeonhole_cli", "mcp"]
    process = subprocess.Popen(command, env=mcp_api.environment, stdin=its, stdout=its, stderr=subprocess.PIPE)
    with process:
        try:
            assert process.stderr
            assert b"docs/mcp.md" in process.stderr.readline()
            process.send_signal(signal.SIGINT)

            assert process.wait(timeout=30) == -signal.SIGINT
            assert process.stderr.read() == b""
        finally:
            process.kill()
            os.close(ours)
            os.close(its)


def test_a_port_in_use_is_one_line(mcp_api: McpApi) -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        result = mcp_api.run("--http", "--port", str(used.getsockname()[1]), exit_code=1)

    assert "choose another port: --port 8091" in result.output
    assert len(result.output.splitlines()) == 1


def test_a_folder_that_does_not_exist_is_a_usage_error(mcp_api: McpApi) -> None:
    assert "--folder" in mcp_api.run("--folder", "/nonexistent", exit_code=2).output


def test_without_an_address_it_says_what_to_set(mcp_api: McpApi) -> None:
    assert "JIGSAWSTACK_API_URL" in mcp_api.run(exit_code=2, JIGSAWSTACK_API_URL="").output


@pytest.mark.parametrize("package", ["mcp", "uvicorn"])
def test_without_the_package_it_says_how_to_install_it(mcp_api: McpApi, package: str) -> None:
    program = f"import sys; sys.modules[{package!r}] = None; from pigeonhole_cli.main import app; app()"

    ended = subprocess.run(
        [sys.executable, "-c", program, "mcp"], env=mcp_api.environment, capture_output=True, text=True, timeout=60
    )

    assert ended.returncode == 1
    assert ended.stderr.strip() == "error: `pigeonhole mcp` needs the package mcp: .venv/bin/pip install -e '.[mcp]'"


def test_it_needs_no_package_of_other_extras(mcp_api: McpApi) -> None:
    others = ["numpy", "onnxruntime", "PIL", "torch", "transformers", "pyarrow", "hypercorn", "ministack", "samtranslator"]
    program = f"import sys; sys.modules.update(dict.fromkeys({others})); from pigeonhole_cli.main import app; app()"

    ended = subprocess.run(
        [sys.executable, "-c", program, "mcp"], env=mcp_api.environment, input=b"", capture_output=True, timeout=60
    )

    assert (ended.returncode, ended.stderr) == (0, b"")
