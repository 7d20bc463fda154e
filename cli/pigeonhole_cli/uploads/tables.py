"""The printed forms of uploads: lines, a table, JSON, an exit code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pigeonhole.contract.upload_results import UPLOAD_RESULTS
from pigeonhole_cli.console import format_table, one_line, plural
from pigeonhole_cli.jobs.tables import EXIT_INTERRUPTED, EXIT_NO_RESULT, EXIT_SOME_ERRORS
from pigeonhole_cli.uploads.prefixes import common_prefix
from pigeonhole_cli.uploads.tracked_upload import TrackedUpload

EXIT_CODES = f"""\b
Exit codes:
  0    success
  1    the command failed or timed out
  2    the arguments are wrong
  {EXIT_NO_RESULT}    no file has a result or, without --watch, could be uploaded
  {EXIT_SOME_ERRORS}    some files, or lines of files, have errors
  {EXIT_INTERRUPTED}  interrupted; uploaded files are classified nevertheless"""


def exit_code(uploads: Sequence[TrackedUpload]) -> int:
    """Return the exit code. An upload that is still waiting for its result counts as a success."""
    if not any(upload.object_key and not (upload.result and upload.result.body.status == "failed") for upload in uploads):
        return EXIT_NO_RESULT
    return EXIT_SOME_ERRORS if any(upload.has_error for upload in uploads) else 0


def key_lines(uploads: Sequence[TrackedUpload]) -> Iterator[str]:
    """Yield a line for each uploaded file: its path, a tab and its object key."""
    return (f"{one_line(str(upload.path))}\t{one_line(upload.object_key)}" for upload in uploads if upload.object_key)


def result_table(uploads: Sequence[TrackedUpload]) -> Iterator[str]:
    """Yield a table with a row per file."""
    rows: list[tuple[str, ...]] = [("FILE", "LABEL", "SCORE", "ERROR")]
    return format_table(rows + [tuple(map(one_line, (str(upload.path), *_cells(upload)))) for upload in uploads])


def to_json(uploads: Sequence[TrackedUpload]) -> list[dict[str, Any]]:
    """Return an object per file: its object key with the API's result, or why the file could not be uploaded."""
    entries = (
        {
            "file": str(upload.path),
            "key": upload.object_key,
            "result": upload.result and upload.result.raw,
            "error": upload.error,
        }
        for upload in uploads
    )
    return [{name: value for name, value in entry.items() if value is not None} for entry in entries]


def summary_line(uploads: Sequence[TrackedUpload]) -> str:
    """Return one line with how many files are classified and how many have an error."""
    classified = sum(upload.result is not None and upload.result.body.status == "succeeded" for upload in uploads)
    failed = sum(upload.has_error for upload in uploads)
    errors = f", {failed} with an error" if failed else ""
    return f"{classified} of {plural(len(uploads), 'file')} classified{errors}."


def job_hints(uploads: Sequence[TrackedUpload]) -> Iterator[str]:
    """Yield for each file of many lines the command that shows or fetches the result of each line."""
    for upload in uploads:
        if upload.result and (job_id := upload.result.body.job_id) and upload.result.body.samples:
            is_bulk = upload.result.body.results_line is None
            command = f"pigeonhole bulk fetch {job_id} --out results/" if is_bulk else f"pigeonhole jobs wait {job_id}"
            yield f"Line by line, {one_line(str(upload.path))}: {command}"


def later_hints(uploads: Sequence[TrackedUpload]) -> Iterator[str]:
    """Yield how to get the results of the uploaded files later."""
    if object_keys := [upload.object_key for upload in uploads if upload.object_key]:
        files = plural(len(uploads), "file")
        yield f"The uploaded files ({len(object_keys)} of {files}) are classified nevertheless. Ask for the results:"
        yield (
            f'  curl "$JIGSAWSTACK_API_URL{UPLOAD_RESULTS}?limit=100&prefix={common_prefix(object_keys)}" '
            '-H "x-api-key: $JIGSAWSTACK_API_KEY"'
        )


def _cells(upload: TrackedUpload) -> tuple[str, str, str]:
    """Return a file's labels, their scores and its error."""
    if upload.result is None:
        return "", "", upload.error or "no result yet"
    result = upload.result.body
    error = f"{result.error.code}: {result.error.message}" if result.error else ""
    if result.samples:
        line_errors = f"{plural(result.samples.failed, 'line')} with an error" if result.samples.failed else ""
        return f"{result.samples.succeeded} of {result.samples.total} lines", "", error or line_errors
    scores = (score for label in result.labels if (score := result.probability(label)) is not None)
    return ", ".join(result.labels), ", ".join(f"{score:.4f}" for score in scores), error
