"""What docs/mcp.md and the README tell users to paste is what `pigeonhole mcp` accepts."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from pigeonhole_cli.main import LAZY
from pigeonhole_cli.mcp import folders, inputs, tools
from pigeonhole_cli.mcp.command import DEFAULT_HTTP_PORT
from pigeonhole_cli.mcp.serving import PATH
from support import pages

ROOT = Path(__file__).resolve().parents[2]
PAGE, README = (ROOT / "docs/mcp.md").read_text(), (ROOT / "README.md").read_text()
VARIABLES = {"JIGSAWSTACK_API_URL", "JIGSAWSTACK_API_KEY"}


def parse(arguments: list[str], folder: Path) -> None:
    """Parse the arguments of `pigeonhole`, with a folder that exists. Nothing is started."""
    name, *options = [str(folder) if option.startswith(("/path/to", "~/", "${")) else option for option in arguments]
    typer.main.get_command(LAZY[name]()).make_context(name, options)


def configured(mark: str, servers: str) -> Iterator[dict[str, Any]]:
    yield from json.loads(pages.marked(PAGE, mark).code)[servers].values()


@pytest.mark.parametrize(("mark", "servers"), [("mcpServers", "mcpServers"), ("vs code", "servers")])
def test_the_settings_start_the_command(mark: str, servers: str, tmp_path: Path) -> None:
    for server in configured(mark, servers):
        assert server["command"].endswith("/.venv/bin/pigeonhole")
        assert server["env"].keys() == VARIABLES
        parse(server["args"], tmp_path)


def test_the_key_of_vs_code_is_an_input_that_is_hidden() -> None:
    (asked,) = json.loads(pages.marked(PAGE, "vs code").code)["inputs"]
    (server,) = configured("vs code", "servers")

    assert server["env"]["JIGSAWSTACK_API_KEY"] == f"${{input:{asked['id']}}}"
    assert asked["password"] is True


@pytest.mark.parametrize(("page", "mark"), [(PAGE, "claude code"), (README, "mcp")], ids=["docs/mcp.md", "README.md"])
def test_the_command_of_claude_code_starts_the_server(page: str, mark: str, tmp_path: Path) -> None:
    words = shlex.split(pages.marked(page, mark).code)
    (command, *arguments) = words[words.index("--") + 1 :]

    assert command.endswith("/.venv/bin/pigeonhole")
    assert {word.partition("=")[0] for word in words if "=" in word} == VARIABLES
    parse(arguments, tmp_path)


def test_the_http_server_is_at_the_address_of_the_page(tmp_path: Path) -> None:
    start, connect = pages.marked(PAGE, "http").code.splitlines()

    parse(shlex.split(start)[1:], tmp_path)
    assert connect.endswith(f"http://127.0.0.1:{DEFAULT_HTTP_PORT}{PATH}")


def test_the_extra_exists() -> None:
    extra = re.search(r"\[(\w+)\]", pages.marked(PAGE, "install").code)

    assert extra
    assert extra[1] in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.mark.parametrize(
    ("row", "value"),
    [
        ("samples of a call", f"{inputs.MAX_SAMPLES}"),
        ("one file", f"{folders.MAX_FILE_BYTES / 1e6:g} MB"),
        ("all files of a call", f"{folders.MAX_CALL_BYTES / 1e9:g} GB"),
        ("results in an answer", f"{tools.MAX_RESULTS:,}"),
        ("wait for the end of a job", f"{inputs.MAX_WAIT_S:,} s"),
    ],
)
def test_the_limits_are_those_of_the_code(row: str, value: str) -> None:
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {row}")]

    assert line.split("|")[2].strip() == value
