"""`pigeonhole upload`: upload files to the service's bucket, where a label set classifies them.

Standard output holds only the results. Everything else is printed to standard error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pigeonhole.contract.uploads import Upload
from pigeonhole_cli.api_options import EXIT_FAILED, ApiKey, Url, api_client, check_label_set_name, print_json
from pigeonhole_cli.console import one_line, plural, say
from pigeonhole_cli.file_upload import TEXT_TYPES, upload_files
from pigeonhole_cli.http_client import ApiClient, ApiError
from pigeonhole_cli.jobs.tables import EXIT_INTERRUPTED
from pigeonhole_cli.progress import progress_bar
from pigeonhole_cli.request_input import MEDIA_TYPES, InputError, expand_folder
from pigeonhole_cli.uploads import tables
from pigeonhole_cli.uploads.client import UploadResultsClient
from pigeonhole_cli.uploads.tracked_upload import TrackedUpload
from pigeonhole_cli.uploads.watch import watch_results

SUFFIXES = (*MEDIA_TYPES, *TEXT_TYPES)


def upload(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Files, or folders of files: images, .txt (one text), .jsonl (one sample per line).", show_default=False
        ),
    ],
    label_set: Annotated[
        str,
        typer.Option(help="The name of the label set that classifies the files. See `pigeonhole labels`.", show_default=False),
    ],
    watch: Annotated[bool, typer.Option("--watch", help="Wait for the results and print them as a table.")] = False,
    timeout: Annotated[
        float, typer.Option(min=0, help="With --watch: the longest time to wait for the results, in seconds.")
    ] = 3600,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON: each file's object key, and its result or error.")
    ] = False,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """Upload files for a label set to classify.

    The command prints one line for each uploaded file: its name, a tab, and its object key. A file that can't be uploaded is
    reported as an error, and the other files are uploaded nevertheless.
    """
    check_label_set_name(label_set, "--label-set")
    with api_client(url, api_key) as client:
        uploads = [TrackedUpload(path) for argument in files for path in expand_folder(argument, SUFFIXES, "files to upload")]
        with _print_hints_on_failure(uploads):
            try:
                _upload_all(client, uploads, label_set)
            finally:
                if not watch and any(upload.object_key or upload.error for upload in uploads):
                    _print(uploads, tables.key_lines(uploads), as_json=as_json)
            if watch:
                watch_results(UploadResultsClient(client), uploads, timeout)
    if watch:
        _print(uploads, tables.result_table(uploads), as_json=as_json)
        _print_summary(uploads, timeout)
    raise typer.Exit(tables.exit_code(uploads))


def _upload_all(client: ApiClient, uploads: Sequence[TrackedUpload], label_set: str) -> None:
    total, done, failed = len(uploads), 0, 0
    say(f"Uploading {plural(total, 'file')} for label set {label_set}.")
    with progress_bar() as bar:
        bar.show("uploading", 0, total, 0)

        def on_upload(index: int, form: Upload | InputError) -> None:
            nonlocal done, failed
            done += 1
            if isinstance(form, Upload):
                uploads[index].object_key = form.key
            else:
                failed += 1
                uploads[index].error = str(form)
                bar.say(f"error: {one_line(str(form))}")
            bar.show("uploading", done, total, failed)

        upload_files(client, [upload.path for upload in uploads], on_upload, label_set)
    say(f"{done - failed} of {plural(total, 'file')} uploaded.")


def _print(uploads: Sequence[TrackedUpload], lines: Iterator[str], *, as_json: bool) -> None:
    if as_json:
        print_json(tables.to_json(uploads))
    elif text := "\n".join(lines):
        typer.echo(text)


def _print_summary(uploads: Sequence[TrackedUpload], timeout_s: float) -> None:
    """Print how many files have results. Outstanding results end the command with exit code 1."""
    for line in tables.job_hints(uploads):
        say(line)
    say(tables.summary_line(uploads))
    if outstanding := sum(upload.is_outstanding for upload in uploads):
        say(f"error: no result of {plural(outstanding, 'file')} after {timeout_s:g} s.")
        for line in tables.later_hints(uploads):
            say(line)
        raise typer.Exit(EXIT_FAILED)


@contextmanager
def _print_hints_on_failure(uploads: Sequence[TrackedUpload]) -> Iterator[None]:
    """Print how to get the uploaded files' results if the command ends early."""
    try:
        yield
    except KeyboardInterrupt:
        say("Interrupted.")
        for line in tables.later_hints(uploads):
            say(line)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except ApiError as error:
        error.details += tuple(tables.later_hints(uploads))
        raise
