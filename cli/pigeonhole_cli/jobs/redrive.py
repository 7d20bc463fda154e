"""`pigeonhole jobs redrive`: an operator's command, with AWS credentials as `pigeonhole keys` needs them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from pigeonhole import wiring
from pigeonhole.jobs.redrive import JobRedriver
from pigeonhole_cli.aws_options import EndpointUrl, StackName, errors
from pigeonhole_cli.console import say
from pigeonhole_cli.jobs.tables import samples


def services(stack_name: str, endpoint_url: str | None) -> JobRedriver:
    return wiring.job_redriver(stack_name, endpoint_url)


def redrive(
    tenant: Annotated[str, typer.Argument(help="The tenant's id.", show_default=False)],
    job_id: Annotated[str, typer.Argument(help="The job that has ended.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print the new id and which samples it has, as JSON.")] = False,
    stack_name: StackName = "pigeonhole",
    endpoint_url: EndpointUrl = None,
) -> None:
    """Make a job of those samples of a tenant's job that no worker could do (operators only), and print its id.

    Called again within 24 hours, it gives the same job.
    """
    with errors():
        made = services(stack_name, endpoint_url).redrive(tenant, job_id)
    say(f"Job {made.job.id} of tenant {tenant} has {samples(len(made.samples))} of job {job_id}, new number -> old:")
    for line in _runs(made.samples):
        say(f"  {line}")
    typer.echo(json.dumps({"job": made.job.id, "samples": made.samples}) if as_json else made.job.id)


def _runs(olds: Sequence[int]) -> Iterator[str]:
    """Which old sample each new one is, neighbours together: `0-3 -> 8-11`."""
    first = 0
    for new in range(1, len(olds) + 1):
        if new == len(olds) or olds[new] != olds[new - 1] + 1:
            yield f"{_run(first, new - 1)} -> {_run(olds[first], olds[new - 1])}"
            first = new


def _run(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"
