"""Options and error handling of the commands that use AWS credentials."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)

from pigeonhole.errors import Overloaded, PigeonholeError
from pigeonhole_cli.console import say

StackName = Annotated[str, typer.Option(help="The name of the deployed stack.")]
EndpointUrl = Annotated[str | None, typer.Option(help="The address of the emulated AWS, for the local stack. Default: AWS.")]


def _find_hints(error: Exception) -> Iterator[str]:
    """Yield what to set if AWS's SDK lacks a setting."""
    if isinstance(error, NoRegionError):
        yield "  Set AWS_REGION to the region of the stack, such as eu-west-1. For the local stack, it is us-east-1."
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        yield "  Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Local stack: see `pigeonhole up --explain`."
    if isinstance(error, EndpointConnectionError) or str(error).startswith("Invalid endpoint"):
        yield "  Is it the address of the emulated AWS (--endpoint-url, AWS_ENDPOINT_URL), http:// included, and does it run?"


@contextmanager
def report_errors() -> Iterator[None]:
    """Print an error in one line and end the command with exit code 1."""
    try:
        yield
    except (PigeonholeError, BotoCoreError, ClientError, ValueError) as error:
        for line in (f"error: {error}", *getattr(error, "__notes__", ()), *_find_hints(error)):
            say(line)
        if isinstance(error, Overloaded) and isinstance(error.__cause__, (BotoCoreError, ClientError)):
            # The message is written for callers of the API. An operator needs AWS's own error: a permission may be missing.
            say(f"  {error.__cause__}")
            for line in _find_hints(error.__cause__):
                say(line)
        raise typer.Exit(1) from None
