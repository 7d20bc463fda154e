"""`pigeonhole jobs`: hand samples to a deployed API and get their results. What was asked for goes to standard output, all else
to standard error."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer

from pigeonhole.contract.jobs import JobInfo, JobStatus
from pigeonhole.ids import is_id
from pigeonhole_cli.api_options import Json, Key, Url, calling, header, print_json, set_name
from pigeonhole_cli.console import one_line, say
from pigeonhole_cli.file_upload import upload_with
from pigeonhole_cli.http_client import Api, ApiError
from pigeonhole_cli.jobs import request_body, tables
from pigeonhole_cli.jobs.client import JobsApi, JobTold
from pigeonhole_cli.jobs.redrive import redrive
from pigeonhole_cli.jobs.wait import wait_for

app = typer.Typer(help="Hand over samples as jobs, wait for their results, list and cancel them.", no_args_is_help=True)


JobId = Annotated[str, typer.Argument(help="As `submit` printed it, or `list` shows it.", show_default=False)]


@app.command(epilog=tables.EXIT_CODES)
def submit(
    samples: Annotated[
        list[str] | None,
        typer.Argument(help="Image files, folders of them, https:// and s3:// addresses of images.", show_default=False),
    ] = None,
    texts: Annotated[
        str | None, typer.Option(help="In place of images: a file with a text per line, - for standard input.")
    ] = None,
    body: Annotated[str | None, typer.Option(help="In place of all else: a file with a whole request as JSON, or -.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="A label to choose from. Repeat it: at least two.")] = None,
    label_set: Annotated[
        str | None, typer.Option(help="In place of labels: a set of them that `pigeonhole labels put` has saved.")
    ] = None,
    multiple: Annotated[bool, typer.Option("--multiple", help="Every label that fits, not just the best.")] = False,
    scores: Annotated[bool, typer.Option("--scores", help="Each label's score, too, for `--json` to show.")] = False,
    webhook_url: Annotated[str | None, typer.Option(help="An https:// address that is told of the job's end.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Go on like `wait`, and print results instead of the id.")] = False,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key and samples give the same job for 24 hours; by default a new one.")
    ] = None,
    as_json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Hand samples over as a job and print its id."""
    if [bool(samples), texts is not None, body is not None].count(True) != 1:
        raise typer.BadParameter("name samples in one way: image files and addresses, or --texts, or --body")
    options = {
        "label_set": set_name(label_set, "--label-set") if label_set is not None else None,
        "multiple_labels": multiple,
        "scores": scores,
        "webhook_url": webhook_url,
    }
    if body is not None and (label or any(options.values())):
        raise typer.BadParameter("--body is the whole request: its labels and options are in it")
    if label and label_set is not None:
        raise typer.BadParameter("--label-set stands in place of --label: its labels are saved")
    if body is None and label_set is None and len(set(label or ())) < 2:
        raise typer.BadParameter("give at least two different labels: --label cat --label dog", param_hint="--label")
    once = header(idempotency_key, "--idempotency-key") if idempotency_key else str(uuid.uuid4())
    with _opened(url, key) as jobs:
        if body is not None:
            data = request_body.whole_body(body)
        else:
            dataset = request_body.texts(texts) if texts is not None else _images(samples or (), jobs.api)
            data = request_body.body(dataset, label or (), **options)
        told = _submitted(jobs, data, once)
        job = told.answer.job
        if wait:
            say(f"Job {job.id} has {tables.samples(job.progress.total)}.")
            _finish(jobs, job.id, as_json=as_json)
        say(f"Its results: pigeonhole jobs wait {job.id}")
        if as_json:
            print_json(told.raw)
        else:
            typer.echo(job.id)


@app.command(epilog=tables.EXIT_CODES)
def wait(job_id: JobId, as_json: Json = False, url: Url = None, key: Key = None) -> None:
    """Wait for a job's end and print its results.

    A line per sample: its number (from 0, in the order they were sent in), a tab, and its labels; where it has an error,
    no labels, a second tab and the error.
    """
    with _opened(url, key) as jobs:
        _finish(jobs, _id(job_id), as_json=as_json)


@app.command(epilog=tables.EXIT_CODES)
def status(job_id: JobId, as_json: Json = False, url: Url = None, key: Key = None) -> None:
    """Show how far a job is."""
    with _opened(url, key) as jobs:
        told = jobs.read(_id(job_id))
    if as_json:
        print_json(told.raw)
    else:
        typer.echo("\n".join(tables.facts(told.answer.job)))
    raise typer.Exit(tables.exit_code(told.answer.job))


@app.command("list")
def list_jobs(
    status: Annotated[JobStatus | None, typer.Option(help="Only jobs in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """List jobs, newest first."""
    found: list[JobInfo] = []
    cursor = None
    with _opened(url, key) as jobs:
        while len(found) < limit:
            page = jobs.page(status, limit - len(found), cursor)
            found += page.jobs
            cursor = page.cursor
            if cursor is None:
                break
    if as_json:
        print_json([job.model_dump(mode="json", exclude_none=True) for job in found])
    else:
        typer.echo("\n".join(tables.overview(found)))


@app.command()
def cancel(job_id: JobId, as_json: Json = False, url: Url = None, key: Key = None) -> None:
    """Cancel a job that hasn't ended. What is done of it is lost, too."""
    with _opened(url, key) as jobs:
        told = jobs.cancel(_id(job_id))
    say(tables.summary(told.answer.job))
    if as_json:
        print_json(told.raw)


app.command()(redrive)


def _images(given: Sequence[str], api: Api) -> list[dict[str, str]]:
    found = request_body.files(given)
    if len(found) != len(given):  # a folder, whose order isn't on the command line
        for number, file in enumerate(found):
            say(f"{number}\t{one_line(str(file))}")
    return request_body.images(found, upload_with(api))


def _submitted(jobs: JobsApi, data: bytes, once: str) -> JobTold:
    # Files that were uploaded have other addresses the next time, so the same command would send another body.
    way = "`pigeonhole jobs list` shows it" if b'"s3://' in data else f"the same command with --idempotency-key {once} gives it"
    again = f"The job may have been taken all the same: {way}."
    try:
        return jobs.submit(data, once)
    except KeyboardInterrupt:
        say(f"Interrupted. {again}")
        raise typer.Exit(tables.INTERRUPTED) from None
    except ApiError as error:
        if error.may_be_done:
            error.details += (again,)
        raise


def _finish(jobs: JobsApi, job_id: str, *, as_json: bool) -> None:
    """Wait for a job's end, print its results and leave."""
    try:
        told = wait_for(jobs, job_id)
    except KeyboardInterrupt:
        say("Interrupted; the job goes on.")
        say(f"  Wait again:  pigeonhole jobs wait {job_id}")
        say(f"  Cancel it:   pigeonhole jobs cancel {job_id}")
        raise typer.Exit(tables.INTERRUPTED) from None
    job, lines = told.answer.job, list(tables.results(told.answer))
    if as_json:
        print_json(told.raw)
    elif lines:
        typer.echo("\n".join(lines))
    for warning in told.answer.warnings or ():
        say(f"warning: {one_line(warning)}")
    say(tables.summary(job))
    raise typer.Exit(tables.exit_code(job))


@contextmanager
def _opened(url: str | None, key: str | None) -> Iterator[JobsApi]:
    with calling(url, key) as api:
        yield JobsApi(api)


def _id(value: str) -> str:
    if not is_id(value):
        raise typer.BadParameter(
            f"{value!r} is no job's id: 32 hex digits, as `pigeonhole jobs list` shows them", param_hint="JOB_ID"
        )
    return value
