"""What the commands about jobs share: their options, and the client of the API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from pigeonhole.ids import is_id
from pigeonhole_cli.api_options import api_client, check_header
from pigeonhole_cli.jobs.client import JobsClient

JobId = Annotated[
    str,
    typer.Argument(help="The job's id, as the command that submits it and `jobs list` print it.", show_default=False),
]
WebhookUrl = Annotated[
    str | None, typer.Option("--webhook-url", help="An https:// address to which the service reports the job's end.")
]
IdempotencyKey = Annotated[
    str | None,
    typer.Option(
        "--idempotency-key",
        help="A key that identifies this job. The same key and samples return the same job for 24 hours. "
        "Default: a random key.",
        callback=lambda key: check_header(key, "--idempotency-key") if key else key,
    ),
]


def check_id(value: str) -> str:
    """Return a job's id if it is one.

    Raises:
        typer.BadParameter: It isn't.
    """
    if not is_id(value):
        raise typer.BadParameter(
            f"{value!r} is no job's id: it must have 32 hex digits, as `pigeonhole jobs list` shows them", param_hint="JOB_ID"
        )
    return value


@contextmanager
def jobs_client(url: str | None, api_key: str | None) -> Iterator[JobsClient]:
    """Create a client of the API's jobs. An error is printed and ends the command with exit code 1."""
    with api_client(url, api_key) as client:
        yield JobsClient(client)
