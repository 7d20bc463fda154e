"""`pigeonhole bulk`: classify manifests and folders of any size."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from pigeonhole.contract.bulk import AnyBulkOptions, BulkOptions, BulkQuestions, OutputFormat
from pigeonhole.contract.classification import parse_body
from pigeonhole.contract.limits import DEFAULT_LIMITS
from pigeonhole.contract.questions import has_questions, parse_questions_body
from pigeonhole.errors import PigeonholeError
from pigeonhole.inference.encoders import registry
from pigeonhole.inference.encoders.artifact import ModelUnavailable
from pigeonhole_cli.bulk import follow, submit
from pigeonhole_cli.bulk.fetch import fetch
from pigeonhole_cli.bulk.local_input import LocalInput
from pigeonhole_cli.bulk.local_job import load_model, run_locally
from pigeonhole_cli.console import one_line, plural, say
from pigeonhole_cli.jobs.tables import EXIT_CODES as JOB_EXIT_CODES
from pigeonhole_cli.label_options import Instruction, Labels, Multiple, Scores, Threshold, check_labels, to_label_fields
from pigeonhole_cli.local.capacity import count_cores
from pigeonhole_cli.model_cache import DEFAULT_CACHE, prepared_folder
from pigeonhole_cli.models import Cache
from pigeonhole_cli.progress import progress_bar
from pigeonhole_cli.request_input import STDIN, InputError, is_address, read_json_object

EXIT_FAILED, EXIT_SOME_ERRORS, EXIT_INTERRUPTED = 1, 4, 130
EXIT_CODES = """\b
Exit codes:
  0    success
  1    the command failed
  2    the arguments are wrong
  4    the results are complete, but some samples have errors
  130  interrupted; the same command continues"""

app = typer.Typer(help="Classify manifests and folders of any size.", no_args_is_help=True)


@app.command(epilog=EXIT_CODES)
def local(
    samples: Annotated[
        Path,
        typer.Argument(
            metavar="MANIFEST|FOLDER",
            help="A .jsonl, .jsonl.gz or .parquet file with a sample per line or row (type, value and custom_id), or a folder "
            "of photos, whose sub-folders are searched as well.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="The folder for the results. The same folder continues an interrupted run.")],
    label: Labels = None,
    body: Annotated[
        str | None,
        typer.Option(
            help="A file with labels and options as JSON, as in a request without `dataset`, in place of labels and options. "
            "It may have `questions`. Example images may be paths. - reads standard input."
        ),
    ] = None,
    multiple: Multiple = False,
    threshold: Threshold = None,
    instruction: Instruction = None,
    scores: Scores = False,
    output: Annotated[OutputFormat, typer.Option("--format", help="The format of the results.")] = OutputFormat.JSONL,
    model: Annotated[
        str, typer.Option(envvar="MODEL", help="A prepared model's name or an artifact folder.")
    ] = registry.BUNDLED,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="The number of groups that are classified at the same time. Default: one per core."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results manifest.")] = False,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """Classify a manifest or a folder on this machine, without a stack.

    The results are written part by part. After Ctrl-C or a crash, the same command continues with what is left.
    """
    given = {"multiple_labels": multiple, "threshold": threshold, "instruction": instruction, "scores": scores}
    if body is not None and (label or any(value for value in given.values())):
        raise typer.BadParameter("--body has labels and options, and can't be combined with them")
    if body is None:
        check_labels(label)
    with _errors(out):
        local_input = LocalInput(samples.absolute())
        local_input.check()
        options = _read_body(body) if body is not None else _validate(to_label_fields(label, given))
        loaded = load_model(prepared_folder(model, cache), local_input)
        with progress_bar() as bar:
            manifest = run_locally(loaded, local_input, out, options, output, threads=threads or count_cores(), bar=bar)
    for warning in manifest.warnings:
        say(f"warning: {one_line(warning)}")
    counts = manifest.counts
    errors = f" {counts.failed} of them have an error: see errors-*.{output.value}." if counts.failed else ""
    say(f"{out} has the results of {plural(counts.total, 'sample')}.{errors}")
    if as_json:
        typer.echo(manifest.model_dump_json(indent=2))
    raise typer.Exit(EXIT_SOME_ERRORS if counts.failed else 0)


def _read_body(file: str) -> AnyBulkOptions:
    fields = json.loads(read_json_object(file, "must be a JSON object with `labels` or `questions`."))
    folder = Path() if file == STDIN else Path(file).parent
    questions = fields.get("questions")
    for asked in (fields, *(questions.values() if isinstance(questions, dict) else ())):
        _find_examples(asked, folder)
    return _validate(fields)


def _find_examples(asked: object, folder: Path) -> None:
    """Find the example images of a request, or of one of its questions."""
    labels = asked.get("labels") if isinstance(asked, dict) else None
    for label in labels if isinstance(labels, list) else ():
        if isinstance(label, dict) and label.get("type") == "image" and isinstance(label.get("value"), str):
            _find_example(label, folder)


def _find_example(label: dict[str, Any], folder: Path) -> None:
    """Replace the path of an example image, which is relative to the file of the labels and not to the manifest."""
    value = label["value"]
    if not is_address(value):
        label.update(key=label.get("key", value), value=str((folder / value).absolute()))


def _validate(fields: object) -> AnyBulkOptions:
    if has_questions(fields):
        return parse_questions_body(BulkQuestions, fields, DEFAULT_LIMITS)
    return parse_body(BulkOptions, fields, DEFAULT_LIMITS)


@contextmanager
def _errors(out: Path) -> Iterator[None]:
    """Print an error in one line and end with exit code 1, or with 130 after Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        say(f"Stopped. {out} has the results so far; the same command continues.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except OSError as error:
        say(f"error: {error.filename or out}: {error.strerror or error}")
        raise typer.Exit(EXIT_FAILED) from None
    except (InputError, ModelUnavailable, PigeonholeError) as error:
        say(f"error: {one_line(str(error))}")
        raise typer.Exit(EXIT_FAILED) from None


app.command(epilog=JOB_EXIT_CODES)(submit.run)
app.command()(submit.plan)
app.command(epilog=JOB_EXIT_CODES)(follow.status)
app.command()(follow.cancel)
app.command(epilog=JOB_EXIT_CODES)(fetch)
