"""`pigeonhole jobs`: submit samples to a deployed API and get their results.

Standard output holds only the results. Everything else is printed to standard error.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer

from pigeonhole.contract.jobs import JobInfo, JobStatus
from pigeonhole.ids import is_id
from pigeonhole_cli.api_options import ApiKey, Json, Url, api_client, check_header, check_label_set_name, print_json
from pigeonhole_cli.console import one_line, plural, say
from pigeonhole_cli.file_upload import upload_images
from pigeonhole_cli.http_client import ApiClient, ApiError
from pigeonhole_cli.jobs import request_body, tables
from pigeonhole_cli.jobs.client import JobAnswer, JobsClient
from pigeonhole_cli.jobs.redrive import redrive
from pigeonhole_cli.jobs.wait import wait_and_print

app = typer.Typer(help="Submit jobs, wait for their results, list and cancel jobs.", no_args_is_help=True)


JobId = Annotated[str, typer.Argument(help="The job's id, as `jobs submit` and `jobs list` print it.", show_default=False)]


@app.command(epilog=tables.EXIT_CODES)
def submit(
    samples: Annotated[
        list[str] | None,
        typer.Argument(help="Image files, folders of image files, https:// and s3:// addresses.", show_default=False),
    ] = None,
    texts: Annotated[
        str | None, typer.Option(help="A file with one text per line, in place of images. - reads standard input.")
    ] = None,
    body: Annotated[
        str | None,
        typer.Option(
            help="A file with a complete request as JSON, in place of samples, labels and options. - reads standard input."
        ),
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="A label to choose from. Repeat the option: at least two labels.")
    ] = None,
    label_set: Annotated[
        str | None, typer.Option(help="The name of a saved label set, in place of labels. See `pigeonhole labels`.")
    ] = None,
    multiple: Annotated[
        bool, typer.Option("--multiple", help="Choose every label that fits a sample, not only the best one.")
    ] = False,
    scores: Annotated[bool, typer.Option("--scores", help="Include each label's score in the results (see --json).")] = False,
    webhook_url: Annotated[
        str | None, typer.Option(help="An https:// address to which the service reports the job's end.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the job's end, and print its results instead of its id.")
    ] = False,
    idempotency_key: Annotated[
        str | None,
        typer.Option(
            help="A key that identifies this job. The same key and samples return the same job for 24 hours. "
            "Default: a random key."
        ),
    ] = None,
    as_json: Json = False,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """Submit samples as a job and print the job's id."""
    if [bool(samples), texts is not None, body is not None].count(True) != 1:
        raise typer.BadParameter("name samples in one way: image files and addresses, or --texts, or --body")
    options = {
        "label_set": check_label_set_name(label_set, "--label-set") if label_set is not None else None,
        "multiple_labels": multiple,
        "scores": scores,
        "webhook_url": webhook_url,
    }
    if body is not None and (label or any(options.values())):
        raise typer.BadParameter("--body is the whole request and can't be combined with labels or options")
    if label and label_set is not None:
        raise typer.BadParameter("--label-set can't be combined with --label: the set has labels of its own")
    if body is None and label_set is None and len(set(label or ())) < 2:
        raise typer.BadParameter("give at least two different labels: --label cat --label dog", param_hint="--label")
    idempotency_key = check_header(idempotency_key, "--idempotency-key") if idempotency_key else str(uuid.uuid4())
    with _jobs_client(url, api_key) as jobs:
        if body is not None:
            request = request_body.read_body(body)
        else:
            dataset = request_body.text_samples(texts) if texts is not None else _image_samples(samples or (), jobs.client)
            request = request_body.build_body(dataset, label or (), **options)
        answer = _submit(jobs, request, idempotency_key)
        job = answer.body.job
        if wait:
            say(f"Job {job.id} has {plural(job.progress.total, 'sample')}.")
            wait_and_print(jobs, job.id, as_json=as_json)
        say(f"Its results: pigeonhole jobs wait {job.id}")
        if as_json:
            print_json(answer.raw)
        else:
            typer.echo(job.id)


@app.command(epilog=tables.EXIT_CODES)
def wait(job_id: JobId, as_json: Json = False, url: Url = None, api_key: ApiKey = None) -> None:
    """Wait for a job's end and print its results.

    Each sample is one line: its number, a tab, and its labels. Numbers start at 0, in the order of submission. A sample with
    an error has no labels, then a second tab and the error.
    """
    with _jobs_client(url, api_key) as jobs:
        wait_and_print(jobs, _check_id(job_id), as_json=as_json)


@app.command(epilog=tables.EXIT_CODES)
def status(job_id: JobId, as_json: Json = False, url: Url = None, api_key: ApiKey = None) -> None:
    """Show a job's status and progress."""
    with _jobs_client(url, api_key) as jobs:
        answer = jobs.get(_check_id(job_id))
    if as_json:
        print_json(answer.raw)
    else:
        typer.echo("\n".join(tables.job_lines(answer.body.job)))
    raise typer.Exit(tables.exit_code(answer.body.job))


@app.command("list")
def list_jobs(
    status: Annotated[JobStatus | None, typer.Option(help="List only jobs with this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The largest number of jobs to list.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print the jobs as JSON.")] = False,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """List jobs, newest first."""
    listed: list[JobInfo] = []
    cursor = None
    with _jobs_client(url, api_key) as jobs:
        while len(listed) < limit:
            page = jobs.list_page(status, limit - len(listed), cursor)
            listed += page.jobs
            cursor = page.cursor
            if cursor is None:
                break
    if as_json:
        print_json([job.model_dump(mode="json", exclude_none=True) for job in listed])
    else:
        typer.echo("\n".join(tables.job_table(listed)))


@app.command()
def cancel(job_id: JobId, as_json: Json = False, url: Url = None, api_key: ApiKey = None) -> None:
    """Cancel a job that hasn't ended. Its partial results are discarded."""
    with _jobs_client(url, api_key) as jobs:
        answer = jobs.cancel(_check_id(job_id))
    say(tables.summary_line(answer.body.job))
    if as_json:
        print_json(answer.raw)


app.command()(redrive)


def _image_samples(arguments: Sequence[str], client: ApiClient) -> list[dict[str, str]]:
    images = request_body.list_images(arguments)
    if len(images) != len(arguments):  # a folder was expanded, so the command line doesn't show the order of the samples
        for index, image in enumerate(images):
            say(f"{index}\t{one_line(str(image))}")
    return request_body.image_samples(images, lambda paths: upload_images(client, paths))


def _submit(jobs: JobsClient, request: bytes, idempotency_key: str) -> JobAnswer:
    # Uploaded files get new addresses each time, so repeating the command would send another body under the same key.
    if b'"s3://' in request:
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


@contextmanager
def _jobs_client(url: str | None, api_key: str | None) -> Iterator[JobsClient]:
    with api_client(url, api_key) as client:
        yield JobsClient(client)


def _check_id(value: str) -> str:
    if not is_id(value):
        raise typer.BadParameter(
            f"{value!r} is no job's id: it must have 32 hex digits, as `pigeonhole jobs list` shows them", param_hint="JOB_ID"
        )
    return value
