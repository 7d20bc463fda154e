"""`pigeonhole jobs redrive`, a command for operators. It needs AWS credentials, as `pigeonhole keys` does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from pigeonhole.jobs.redrive import JobRedriver
from pigeonhole_cli.aws_options import EndpointUrl, StackName, report_errors
from pigeonhole_cli.console import plural, say


def job_redriver(stack_name: str, endpoint_url: str | None) -> JobRedriver:
    """Create the service of a deployed stack. Tests replace this function."""
    from pigeonhole.wiring import operator_commands  # late, as in keys.py

    return operator_commands.job_redriver(stack_name, endpoint_url)


def redrive(
    tenant: Annotated[str, typer.Argument(help="The tenant's id.", show_default=False)],
    job_id: Annotated[str, typer.Argument(help="The id of a job that has ended.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print the new job's id and its samples as JSON.")] = False,
    stack_name: StackName = "pigeonhole",
    endpoint_url: EndpointUrl = None,
) -> None:
    """Resubmit a job's abandoned samples as a new job.

    For operators. The command prints the new job's id. Abandoned samples are those that no worker could process. Repeated
    within 24 hours, the command returns the same new job.
    """
    with report_errors():
        redriven = job_redriver(stack_name, endpoint_url).redrive(tenant, job_id)
    count = plural(len(redriven.samples), "sample")
    say(f"Job {redriven.job.id} of tenant {tenant} has {count} of job {job_id}, new number -> old:")
    for line in _ranges(redriven.samples):
        say(f"  {line}")
    typer.echo(json.dumps({"job": redriven.job.id, "samples": redriven.samples}) if as_json else redriven.job.id)


def _ranges(old_numbers: Sequence[int]) -> Iterator[str]:
    """Yield which old sample each new one is, consecutive ones as a range: `0-3 -> 8-11`."""
    first = 0
    for index in range(1, len(old_numbers) + 1):
        if index == len(old_numbers) or old_numbers[index] != old_numbers[index - 1] + 1:
            yield f"{_range(first, index - 1)} -> {_range(old_numbers[first], old_numbers[index - 1])}"
            first = index


def _range(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"
