"""Options and error handling of the commands that use AWS credentials."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from pigeonhole.errors import Overloaded, PigeonholeError
from pigeonhole_cli.console import say

StackName = Annotated[str, typer.Option(help="The name of the deployed stack.")]
EndpointUrl = Annotated[str | None, typer.Option(help="The address of the emulated AWS, for the local stack. Default: AWS.")]


@contextmanager
def report_errors() -> Iterator[None]:
    """Print an error in one line and end the command with exit code 1."""
    try:
        yield
    except (PigeonholeError, BotoCoreError, ClientError, ValueError) as error:
        for line in (f"error: {error}", *getattr(error, "__notes__", ())):
            say(line)
        if isinstance(error, Overloaded) and isinstance(error.__cause__, (BotoCoreError, ClientError)):
            # The message is written for callers of the API. An operator needs AWS's own error: a permission may be missing.
            say(f"  {error.__cause__}")
        raise typer.Exit(1) from None
