"""What the commands with AWS credentials share: where the stack is, and what went wrong in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from pigeonhole.errors import Overloaded, PigeonholeError
from pigeonhole_cli.console import say

StackName = Annotated[str, typer.Option(help="The deployed stack.")]
EndpointUrl = Annotated[str | None, typer.Option(help="Where AWS is, for the local stack; by default AWS itself.")]


@contextmanager
def errors() -> Iterator[None]:
    """Tell what went wrong in one line and leave with 1."""
    try:
        yield
    except (PigeonholeError, BotoCoreError, ClientError, ValueError) as error:
        for line in (f"error: {error}", *getattr(error, "__notes__", ())):
            say(line)
        if isinstance(error, Overloaded) and isinstance(error.__cause__, (BotoCoreError, ClientError)):
            say(f"  {error.__cause__}")  # whose message is for callers: an operator may be lacking a permission
        raise typer.Exit(1) from None
