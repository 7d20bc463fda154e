"""`pigeonhole bulk run` and `bulk fetch`: bulk jobs of a deployed API."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from typing import Annotated

import typer

from pigeonhole.bulk.outputs import MANIFEST_NAME
from pigeonhole.contract.bulk import OutputFormat, PartFile, ResultsManifest
from pigeonhole.contract.jobs import BulkResults, JobInfo
from pigeonhole.ids import is_id
from pigeonhole.jobs.job import ENDED
from pigeonhole_cli.api_options import ApiKey, Json, Url, api_client, check_header, check_label_set_name, print_json
from pigeonhole_cli.bulk.local_run import FolderStore
from pigeonhole_cli.console import plural, say
from pigeonhole_cli.http_client import ApiClient, ApiError
from pigeonhole_cli.jobs import tables
from pigeonhole_cli.jobs.client import JobsClient
from pigeonhole_cli.jobs.wait import wait_and_print
from pigeonhole_cli.progress import progress_bar
from pigeonhole_cli.request_input import InputError, to_json

TIMEOUT_S = 120.0  # for one file


def run(
    manifest: Annotated[
        str, typer.Argument(metavar="S3_URI", help="The manifest, s3://bucket/key, under a prefix that is granted to you.")
    ],
    label: Annotated[
        list[str] | None, typer.Option(help="A label to choose from. Repeat the option: at least two labels.")
    ] = None,
    label_set: Annotated[
        str | None, typer.Option(help="The name of a saved label set, in place of labels. See `pigeonhole labels`.")
    ] = None,
    multiple: Annotated[
        bool, typer.Option("--multiple", help="Choose every label that fits a sample, not only the best one.")
    ] = False,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="With --multiple: the lowest probability of a chosen label.")
    ] = None,
    instruction: Annotated[str | None, typer.Option(help="The subject of the labels, as in a request.")] = None,
    scores: Annotated[bool, typer.Option("--scores", help="Include each label's score in the results.")] = False,
    output: Annotated[OutputFormat, typer.Option("--format", help="The format of the results.")] = OutputFormat.JSONL,
    webhook_url: Annotated[
        str | None, typer.Option(help="An https:// address to which the service reports the job's end.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the job's end, and print its first files instead of its id.")
    ] = False,
    idempotency_key: Annotated[
        str | None,
        typer.Option(help="A key that identifies this job. The same key returns the same job for 24 hours. Default: random."),
    ] = None,
    as_json: Json = False,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """Submit a manifest on S3 as a job of a deployed API, and print the job's id."""
    if label and label_set is not None:
        raise typer.BadParameter("--label-set can't be combined with --label: the set has labels of its own")
    if label_set is None and len(set(label or ())) < 2:
        raise typer.BadParameter("give at least two different labels: --label cat --label dog", param_hint="--label")
    options = {
        "labels": [{"type": "text", "value": value} for value in label or ()],
        "label_set": check_label_set_name(label_set, "--label-set") if label_set is not None else None,
        "multiple_labels": multiple,
        "threshold": threshold,
        "instruction": instruction,
        "scores": scores,
        "webhook_url": webhook_url,
    }
    body = {
        "input": {"s3_uri": manifest},
        "output": {"format": output.value},
        **{name: value for name, value in options.items() if value is not None and value is not False and value != []},
    }
    key = check_header(idempotency_key, "--idempotency-key") if idempotency_key else str(uuid.uuid4())
    with api_client(url, api_key) as client:
        jobs = JobsClient(client)
        answer = jobs.submit(to_json(body), key)
        job_id = answer.body.job.id
        if wait:
            wait_and_print(jobs, job_id, as_json=as_json)
        say(f"Its progress: pigeonhole jobs wait {job_id}\nIts results:  pigeonhole bulk fetch {job_id} --out FOLDER")
        if as_json:
            print_json(answer.raw)
        else:
            typer.echo(job_id)


def fetch(
    job_id: Annotated[str, typer.Argument(help="The job's id, as `bulk run` and `jobs list` print it.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The folder for the results. Files that are there already are not fetched again.")],
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """Fetch the results of a bulk job into a folder, and check them."""
    if not is_id(job_id):
        raise typer.BadParameter(f"{job_id!r} is no job's id: it must have 32 hex digits", param_hint="JOB_ID")
    with api_client(url, api_key) as client:
        answer = JobsClient(client).get(job_id).body
        results = _find_results(answer.job, answer.results)
        data = _download(client, results.manifest_url)
        manifest = ResultsManifest.model_validate_json(data)
        links = {file.name: file.url for file in (*results.parts, *results.errors)}
        files = [*manifest.results, *manifest.errors]
        if len(links) < len(files):
            raise ApiError(
                f"The job has {len(files)} files, and the API links only the first ones. "
                f"Copy all with permissions of your own: aws s3 cp --recursive {results.prefix} {out}"
            )
        _store(client, out, files, links)
        FolderStore(out).put(MANIFEST_NAME, data)  # last, as the job writes it
    say(f"{out} has the results of {plural(manifest.counts.total, 'sample')}.")
    raise typer.Exit(tables.exit_code(answer.job))


def _find_results(job: JobInfo, results: BulkResults | None) -> BulkResults:
    if results is not None:
        return results
    if job.error:
        raise ApiError(f"The job has no results: {job.error.message}")
    if job.status in ENDED:
        raise ApiError(f"The job has no files: it is {job.status}, or no bulk job.")
    raise ApiError(f"The job is {job.status}. Wait for its end: pigeonhole jobs wait {job.id}")


def _store(client: ApiClient, out: Path, files: list[PartFile], links: dict[str, str]) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        with progress_bar() as bar:
            for done, file in enumerate(files):
                bar.show("fetching", done, len(files), 0)
                if not _is_there(out / file.name, file):
                    data = _download(client, links[file.name])
                    if hashlib.sha256(data).hexdigest() != file.sha256:
                        raise InputError(f"{file.name} is not what the job wrote. Run the command again.")
                    FolderStore(out).put(file.name, data)
    except OSError as error:
        raise InputError(f"{out} can't hold the results ({error.strerror}). Choose another --out.") from None


def _is_there(path: Path, file: PartFile) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256


def _download(client: ApiClient, address: str) -> bytes:
    response = client.request("GET", address, timeout=TIMEOUT_S)
    if not response.is_success:
        raise ApiError(
            f"A file can't be fetched (HTTP {response.status_code}). Its address may have expired: run the command again."
        )
    return response.content
