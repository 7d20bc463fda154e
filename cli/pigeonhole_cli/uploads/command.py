"""`pigeonhole upload`: drop files into the service's bucket, to be classified by a label set. What was asked for goes to
standard output, all else to standard error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pigeonhole.contract.uploads import Upload
from pigeonhole_cli.api_options import FAILED, Key, Url, calling, print_json, set_name
from pigeonhole_cli.console import one_line, say
from pigeonhole_cli.file_upload import TEXT_TYPES, send_files
from pigeonhole_cli.http_client import Api, ApiError
from pigeonhole_cli.jobs.tables import INTERRUPTED
from pigeonhole_cli.progress import opened_bar
from pigeonhole_cli.request_input import MEDIA_TYPES, InputError, opened
from pigeonhole_cli.uploads import tables
from pigeonhole_cli.uploads.client import ResultsApi
from pigeonhole_cli.uploads.tables import Handled
from pigeonhole_cli.uploads.watch import watch as watch_for

SUFFIXES = (*MEDIA_TYPES, *TEXT_TYPES)


def upload(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Files, and folders of them: images, .txt (a text), .jsonl (a sample per line).", show_default=False
        ),
    ],
    label_set: Annotated[
        str, typer.Option(help="What to classify them by, as `pigeonhole labels put` has saved it.", show_default=False)
    ],
    watch: Annotated[bool, typer.Option("--watch", help="Wait for the results, and print a table of them.")] = False,
    timeout: Annotated[float, typer.Option(min=0, help="With --watch: for so many seconds at most.")] = 3600,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON: each file's key, its result, or why it could not be sent.")
    ] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Send files to be classified by a label set, and print the key of each.

    A line per file: its name, a tab, and its key. A file that can't be sent is told and costs the others nothing.
    """
    set_name(label_set, "--label-set")
    with calling(url, key) as api:
        handled = [Handled(file) for named in files for file in opened(named, SUFFIXES, "files that are taken")]
        with _way_on_told(handled):
            try:
                _send(api, handled, label_set)
            finally:
                if not watch and any(file.key or file.error for file in handled):
                    _print(handled, tables.lines(handled), as_json=as_json)
            if watch:
                watch_for(ResultsApi(api), handled, timeout)
    if watch:
        _print(handled, tables.results(handled), as_json=as_json)
        _tell_end(handled, timeout)
    raise typer.Exit(tables.exit_code(handled))


def _send(api: Api, handled: Sequence[Handled], label_set: str) -> None:
    total, done, failed = len(handled), 0, 0
    say(f"Uploading {tables.files(total)} for label set {label_set}.")
    with opened_bar() as bar:
        bar.show("uploading", 0, total, 0)

        def tell(number: int, outcome: Upload | InputError) -> None:
            nonlocal done, failed
            done += 1
            if isinstance(outcome, Upload):
                handled[number].key = outcome.key
            else:
                failed += 1
                handled[number].error = str(outcome)
                bar.say(f"error: {one_line(str(outcome))}")
            bar.show("uploading", done, total, failed)

        send_files(api, [each.file for each in handled], tell, label_set)
    say(f"{done - failed} of {tables.files(total)} uploaded.")


def _print(handled: Sequence[Handled], lines: Iterator[str], *, as_json: bool) -> None:
    if as_json:
        print_json(tables.as_json(handled))
    elif text := "\n".join(lines):
        typer.echo(text)


def _tell_end(handled: Sequence[Handled], timeout_s: float) -> None:
    """Say how many files have results. Ends the command where some still wait for theirs."""
    for line in tables.line_by_line(handled):
        say(line)
    say(tables.summary(handled))
    if outstanding := sum(tables.is_outstanding(file) for file in handled):
        say(f"error: no result of {tables.files(outstanding)} after {timeout_s:g} s.")
        for line in tables.way_on(handled):
            say(line)
        raise typer.Exit(FAILED)


@contextmanager
def _way_on_told(handled: Sequence[Handled]) -> Iterator[None]:
    """Say what becomes of the files that are uploaded when the command ends before its time."""
    try:
        yield
    except KeyboardInterrupt:
        say("Interrupted.")
        for line in tables.way_on(handled):
            say(line)
        raise typer.Exit(INTERRUPTED) from None
    except ApiError as error:
        error.details += tuple(tables.way_on(handled))
        raise
