"""`pigeonhole smoke`: check a deployment over HTTP."""

from __future__ import annotations

from typing import Annotated

import typer

from pigeonhole_cli.api_options import EXIT_FAILED, api_client
from pigeonhole_cli.console import one_line, say
from pigeonhole_cli.deployment.smoke import run_checks
from pigeonhole_cli.deployment.target import Deployment


def smoke(
    url: Annotated[
        str | None,
        typer.Argument(envvar="JIGSAWSTACK_API_URL", help="The API's address, stage included.", show_default=False),
    ] = None,
    key: Annotated[
        str | None,
        typer.Argument(envvar="JIGSAWSTACK_API_KEY", help="An API key. Prefer the environment variable.", show_default=False),
    ] = None,
    webhook_url: Annotated[
        str | None, typer.Option(help="An https:// address of yours. A job's webhook is posted to it, and must be accepted.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, help="The longest time for a job and its webhook, in seconds.")] = 300,
) -> None:
    """Check what clients need of a deployment: the contract, its quirks, an upload, a job, a webhook.

    The command prints a line for each check: `ok` or `FAILED`, a tab, and the name of the check. It takes some cents' worth of
    requests of the API key.
    """
    failed = 0
    with api_client(url, key) as client:
        for name, fault in run_checks(Deployment(client, webhook_url, timeout)):
            typer.echo(f"ok\t{name}" if fault is None else f"FAILED\t{name}\t{one_line(fault)}")
            failed += fault is not None
    if webhook_url is None:
        say("No webhook was checked: give --webhook-url.")
    if failed:
        raise typer.Exit(EXIT_FAILED)
