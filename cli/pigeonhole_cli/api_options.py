"""Options and error handling of the commands that call the API with an API key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from pigeonhole.contract import labels
from pigeonhole_cli.console import one_line, say
from pigeonhole_cli.http_client import ApiClient, ApiError, open_client
from pigeonhole_cli.request_input import InputError

EXIT_FAILED, EXIT_USAGE = 1, 2

Url = Annotated[str | None, typer.Option("--url", envvar="JIGSAWSTACK_API_URL", help="The API's address, stage included.")]
ApiKey = Annotated[
    str | None,
    typer.Option(
        "--key",
        envvar="JIGSAWSTACK_API_KEY",
        help="The API key. Prefer the environment variable: other users of the machine can read a command line.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the API's whole answer as JSON.")]


def check_connection(url: str | None, api_key: str | None, *, advice: str = "") -> tuple[str, str]:
    """Return the API's address without a slash at its end, and the API key. If one is missing, the command ends.

    Args:
        url: The address that the user gave.
        api_key: The key that the user gave.
        advice: What the user can do without an API. Appended to the error for a missing address.
    """
    if not url:
        say(f"error: where is the API? Set JIGSAWSTACK_API_URL, or give --url https://…{advice}")
        raise typer.Exit(EXIT_USAGE)
    url = url.strip()
    if not re.match(r"https?://[^/]", url):
        say("error: the API's address (JIGSAWSTACK_API_URL or --url) must begin with https:// or http://, and name a host.")
        raise typer.Exit(EXIT_USAGE)
    if not api_key:
        say("error: an API key is needed. Set JIGSAWSTACK_API_KEY, or give --key; `pigeonhole keys create` makes one.")
        raise typer.Exit(EXIT_USAGE)
    return url.rstrip("/"), check_header(api_key.strip(), "--key")


@contextmanager
def api_client(url: str | None, api_key: str | None) -> Iterator[ApiClient]:
    """Create a client of the API. An error of the API or of the input is printed and ends the command with exit code 1."""
    connection = check_connection(url, api_key)
    try:
        with open_client(*connection) as client:
            yield client
    except (ApiError, InputError) as error:
        say(f"error: {one_line(str(error))}")
        for detail in getattr(error, "details", ()):
            say(f"  {one_line(detail)}")
        raise typer.Exit(EXIT_FAILED) from None


def check_header(value: str, option: str) -> str:
    """Return a header's value if it is valid. The error doesn't quote the value, which may be an API key.

    Raises:
        typer.BadParameter: The value can't be sent as a header.
    """
    if not re.fullmatch(r"[!-~]{1,255}", value):
        raise typer.BadParameter("must have 1 to 255 printable ASCII characters and no spaces", param_hint=option)
    return value


def check_label_set_name(value: str, parameter: str) -> str:
    """Return a label set's name if it is valid.

    Raises:
        typer.BadParameter: The name is invalid.
    """
    try:
        return labels.check_label_set_name(value)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=parameter) from None


def print_json(content: Any) -> None:
    """Print indented JSON to standard output."""
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False))
