"""`pigeonhole jobs`: submit samples to a deployed API and get their results.

Standard output holds only the results. Everything else is printed to standard error.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Annotated

import typer

from pigeonhole.contract.jobs import JobInfo, JobStatus
from pigeonhole_cli.api_options import ApiKey, Json, Url, print_json
from pigeonhole_cli.console import one_line, plural, say
from pigeonhole_cli.file_upload import upload_images
from pigeonhole_cli.http_client import ApiClient
from pigeonhole_cli.jobs import request_body, tables
from pigeonhole_cli.jobs.options import IdempotencyKey, JobId, WebhookUrl, check_id, jobs_client
from pigeonhole_cli.jobs.redrive import redrive
from pigeonhole_cli.jobs.submit import submit_job
from pigeonhole_cli.jobs.wait import wait_and_print
from pigeonhole_cli.label_options import Labels, LabelSet, Multiple, Scores, check_labels

app = typer.Typer(help="Submit jobs, wait for their results, list and cancel jobs.", no_args_is_help=True)


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
    label: Labels = None,
    label_set: LabelSet = None,
    multiple: Multiple = False,
    scores: Scores = False,
    webhook_url: WebhookUrl = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the job's end, and print its results instead of its id.")
    ] = False,
    idempotency_key: IdempotencyKey = None,
    as_json: Json = False,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """Submit samples as a job and print the job's id.

    Scores are printed only with --json.
    """
    if [bool(samples), texts is not None, body is not None].count(True) != 1:
        raise typer.BadParameter("name samples in one way: image files and addresses, or --texts, or --body")
    options = {
        "label_set": label_set,
        "multiple_labels": multiple,
        "scores": scores,
        "webhook_url": webhook_url,
    }
    if body is not None and (label or label_set is not None or any(options.values())):
        raise typer.BadParameter("--body is the whole request and can't be combined with labels or options")
    if body is None:
        check_labels(label, label_set)
    idempotency_key = idempotency_key or str(uuid.uuid4())
    with jobs_client(url, api_key) as jobs:
        if body is not None:
            request = request_body.read_body(body)
        else:
            dataset = request_body.text_samples(texts) if texts is not None else _image_samples(samples or (), jobs.client)
            request = request_body.build_body(dataset, label or (), **options)
        answer = submit_job(jobs, request, idempotency_key, has_uploads=b'"s3://' in request)
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
    with jobs_client(url, api_key) as jobs:
        wait_and_print(jobs, check_id(job_id), as_json=as_json)


@app.command(epilog=tables.EXIT_CODES)
def status(job_id: JobId, as_json: Json = False, url: Url = None, api_key: ApiKey = None) -> None:
    """Show a job's status and progress."""
    with jobs_client(url, api_key) as jobs:
        answer = jobs.get(check_id(job_id))
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
    with jobs_client(url, api_key) as jobs:
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
    with jobs_client(url, api_key) as jobs:
        answer = jobs.cancel(check_id(job_id))
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
