"""Uploaded files as the command line shows them: as lines, as a table, as JSON, and as an exit code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pigeonhole.contract.upload_results import UPLOAD_RESULTS
from pigeonhole_cli.console import one_line, table
from pigeonhole_cli.jobs.tables import INTERRUPTED, NO_RESULT, SOME_ERRORS
from pigeonhole_cli.uploads.client import ResultTold
from pigeonhole_cli.uploads.prefixes import common

EXIT_CODES = f"""\b
Exit codes:
  0    all well
  1    the command failed, or its time was over
  2    it was called wrongly
  {NO_RESULT}    no file has a result or, without --watch, could be sent
  {SOME_ERRORS}    some files have errors, or lines of them
  {INTERRUPTED}  interrupted; what is uploaded is classified all the same"""


@dataclass
class Handled:
    """A file, and what became of it so far. `key`: where it was uploaded to; `error`: why it could not be sent."""

    file: Path
    key: str | None = None
    error: str | None = None
    result: ResultTold | None = None


def has_error(file: Handled) -> bool:
    """Whether a file could not be sent or classified, or a line of it."""
    if file.result is None:
        return file.error is not None
    told = file.result.answer
    return told.status == "failed" or bool(told.samples and told.samples.failed)


def is_outstanding(file: Handled) -> bool:
    """Whether a file was uploaded and has no result yet."""
    return file.key is not None and file.result is None


def exit_code(handled: Sequence[Handled]) -> int:
    """What became of the files, to whoever called. One that still waits for its result is as good as one that has it."""
    if not any(file.key and not (file.result and file.result.answer.status == "failed") for file in handled):
        return NO_RESULT
    return SOME_ERRORS if any(map(has_error, handled)) else 0


def lines(handled: Sequence[Handled]) -> Iterator[str]:
    """A line for each file that was uploaded: the file, and its key."""
    return (f"{one_line(str(file.file))}\t{one_line(file.key)}" for file in handled if file.key)


def results(handled: Sequence[Handled]) -> Iterator[str]:
    """A table of all files."""
    rows: list[tuple[str, ...]] = [("FILE", "LABEL", "SCORE", "ERROR")]
    return table(rows + [tuple(map(one_line, (str(file.file), *_cells(file)))) for file in handled])


def as_json(handled: Sequence[Handled]) -> list[dict[str, Any]]:
    """Of each file its key and its result, as the API told it, or why it could not be sent."""
    found = (
        {"file": str(file.file), "key": file.key, "result": file.result and file.result.raw, "error": file.error}
        for file in handled
    )
    return [{name: value for name, value in each.items() if value is not None} for each in found]


def files(number: int) -> str:
    """A number of files in words."""
    return f"{number} file{'' if number == 1 else 's'}"


def summary(handled: Sequence[Handled]) -> str:
    """One line: how many files are classified, and how many have an error."""
    classified = sum(file.result is not None and file.result.answer.status == "succeeded" for file in handled)
    failed = sum(map(has_error, handled))
    errors = f", {failed} with an error" if failed else ""
    return f"{classified} of {files(len(handled))} classified{errors}."


def line_by_line(handled: Sequence[Handled]) -> Iterator[str]:
    """How to see what became of the lines of each file that has some: each such file is a job of its own."""
    for file in handled:
        if file.result and file.result.answer.samples and file.result.answer.job_id:
            yield f"Line by line, {one_line(str(file.file))}: pigeonhole jobs wait {file.result.answer.job_id}"


def way_on(handled: Sequence[Handled]) -> Iterator[str]:
    """What becomes of files whose results nobody waits for, and how to ask for them."""
    if keys := [file.key for file in handled if file.key]:
        yield f"What is uploaded ({len(keys)} of {files(len(handled))}) is classified all the same. Ask for the results:"
        yield (
            f'  curl "$JIGSAWSTACK_API_URL{UPLOAD_RESULTS}?limit=100&prefix={common(keys)}" '
            '-H "x-api-key: $JIGSAWSTACK_API_KEY"'
        )


def _cells(file: Handled) -> tuple[str, str, str]:
    """A file's labels, their scores and its error."""
    if file.result is None:
        return "", "", file.error or "no result yet"
    told = file.result.answer
    error = f"{told.error.code}: {told.error.message}" if told.error else ""
    if told.samples:
        bad = told.samples.failed
        some = f"{bad} line{'' if bad == 1 else 's'} with an error" if bad else ""
        return f"{told.samples.succeeded} of {told.samples.total} lines", "", error or some
    scores = (score for label in told.labels if (score := told.probability(label)) is not None)
    return ", ".join(told.labels), ", ".join(f"{score:.4f}" for score in scores), error
