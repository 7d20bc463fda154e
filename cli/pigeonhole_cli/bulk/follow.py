"""`pigeonhole bulk status` and `bulk cancel`: bulk jobs of a deployed API that were submitted before."""

from __future__ import annotations

from typing import Annotated

import typer

from pigeonhole_cli.api_options import ApiKey, Json, Url, print_json
from pigeonhole_cli.bulk.run_progress import JobProgress
from pigeonhole_cli.console import say
from pigeonhole_cli.jobs import tables
from pigeonhole_cli.jobs.options import JobId, check_id, jobs_client
from pigeonhole_cli.jobs.wait import report_interrupt, wait_for_job


def status(
    job_id: JobId,
    watch: Annotated[
        bool, typer.Option("--watch", help="Wait for the job's end, and show its progress, its rate and the time left.")
    ] = False,
    as_json: Json = False,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """Show a bulk job's status and progress."""
    check_id(job_id)
    with jobs_client(url, api_key) as jobs:
        if watch:
            with report_interrupt(f"pigeonhole bulk status {job_id} --watch", f"pigeonhole bulk cancel {job_id}"):
                answer = wait_for_job(jobs, job_id, lambda bar: JobProgress(bar).show)
        else:
            answer = jobs.get(job_id)
    if as_json:
        print_json(answer.raw)
    else:
        typer.echo("\n".join(tables.job_lines(answer.body.job)))
    raise typer.Exit(tables.exit_code(answer.body.job))


def cancel(job_id: JobId, as_json: Json = False, url: Url = None, api_key: ApiKey = None) -> None:
    """Cancel a bulk job that hasn't ended. Its partial results are discarded."""
    with jobs_client(url, api_key) as jobs:
        answer = jobs.cancel(check_id(job_id))
    say(tables.summary_line(answer.body.job))
    if as_json:
        print_json(answer.raw)
