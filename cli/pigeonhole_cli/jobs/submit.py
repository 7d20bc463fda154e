"""Submit a job, and say how to find it if the answer is lost."""

from __future__ import annotations

import typer

from pigeonhole_cli.console import say
from pigeonhole_cli.http_client import ApiError
from pigeonhole_cli.jobs import tables
from pigeonhole_cli.jobs.client import JobAnswer, JobsClient


def submit_job(jobs: JobsClient, request: bytes, idempotency_key: str, *, has_uploads: bool) -> JobAnswer:
    """Submit a job.

    Args:
        jobs: The API.
        request: The body.
        idempotency_key: The same key and body return the same job.
        has_uploads: Whether the body names files that the command has uploaded. They get new addresses each time, so the same
            command would send another body under the same key.

    Raises:
        ApiError: The API failed. Its details say how to find a job that may have been created.
    """
    if has_uploads:
        advice = "`pigeonhole jobs list` shows it"
    else:
        advice = f"the same command with --idempotency-key {idempotency_key} returns it"
    unknown = f"The job may have been created nevertheless: {advice}."
    try:
        return jobs.submit(request, idempotency_key)
    except KeyboardInterrupt:
        say(f"Interrupted. {unknown}")
        raise typer.Exit(tables.EXIT_INTERRUPTED) from None
    except ApiError as error:
        if error.may_be_done:
            error.details += (unknown,)
        raise
