"""`pigeonhole bulk fetch`: the results of a bulk job of a deployed API."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from pigeonhole.bulk.outputs import MANIFEST_NAME
from pigeonhole.contract.bulk_results import PartFile, ResultsManifest
from pigeonhole.contract.jobs import BulkResults, JobInfo
from pigeonhole.jobs.job import ENDED
from pigeonhole_cli.api_options import ApiKey, Url
from pigeonhole_cli.bulk.local_run import FolderStore
from pigeonhole_cli.console import plural, say
from pigeonhole_cli.http_client import ApiClient, ApiError
from pigeonhole_cli.jobs import tables
from pigeonhole_cli.jobs.options import JobId, check_id, jobs_client
from pigeonhole_cli.progress import progress_bar
from pigeonhole_cli.request_input import InputError

TIMEOUT_S = 120.0  # for one file


def fetch(
    job_id: JobId,
    out: Annotated[Path, typer.Option(help="The folder for the results. Files that are there already are not fetched again.")],
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """Fetch the results of a bulk job into a folder, and check them."""
    with jobs_client(url, api_key) as jobs:
        client, answer = jobs.client, jobs.get(check_id(job_id)).body
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
