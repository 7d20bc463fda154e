"""What the commands with an API key share: where the API is, and what went wrong in one line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from pigeonhole.contract.classification import check_set_name
from pigeonhole_cli.console import one_line, say
from pigeonhole_cli.http_client import Api, ApiError, open_api
from pigeonhole_cli.request_input import InputError

FAILED, WRONG_CALL = 1, 2

Url = Annotated[str | None, typer.Option(envvar="JIGSAWSTACK_API_URL", help="The API's address, its stage included.")]
Key = Annotated[
    str | None,
    typer.Option(
        envvar="JIGSAWSTACK_API_KEY", help="An API key; better by its variable, which others on the machine don't see."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the whole answer as JSON.")]


@contextmanager
def calling(url: str | None, key: str | None) -> Iterator[Api]:
    """Open the way to the API. What fails there, and what can't be sent, is told in a line and ends the command with 1."""
    if not url or not re.match(r"https?://[^/]", url):
        say("error: where is the API? Set JIGSAWSTACK_API_URL, or give --url https://…")
        raise typer.Exit(WRONG_CALL)
    if not key:
        say("error: an API key is needed. Set JIGSAWSTACK_API_KEY, or give --key; `pigeonhole keys create` makes one.")
        raise typer.Exit(WRONG_CALL)
    try:
        with open_api(url.rstrip("/"), header(key.strip(), "--key")) as api:
            yield api
    except (ApiError, InputError) as error:
        say(f"error: {one_line(str(error))}")
        for detail in getattr(error, "details", ()):
            say(f"  {one_line(detail)}")
        raise typer.Exit(FAILED) from None


def header(value: str, hint: str) -> str:
    """Give a header's value back. What it holds is not told: it may be a key."""
    if not re.fullmatch(r"[!-~]{1,255}", value):
        raise typer.BadParameter("has 1 to 255 letters, digits and signs of ASCII, no spaces", param_hint=hint)
    return value


def set_name(value: str, hint: str) -> str:
    """Give a label set's name back, unless it can't be one."""
    try:
        return check_set_name(value)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=hint) from None


def print_json(found: Any) -> None:
    """Print what was told as JSON for people and programs."""
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
