"""`pigeonhole bulk`: classify manifests and folders of any size."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from pigeonhole.bulk.manifest import SpanLimits, plan_spans
from pigeonhole.bulk.outputs import OutputFormat, PartFiles
from pigeonhole.bulk.runner import SpanRunner
from pigeonhole.contract.bulk import BulkOptions, Counts
from pigeonhole.contract.limits import DEFAULT_LIMITS, RequestLimits
from pigeonhole.contract.validation import invalid_request, to_faults
from pigeonhole.errors import PigeonholeError
from pigeonhole.inference.encoders import registry
from pigeonhole.inference.encoders.artifact import ModelUnavailable
from pigeonhole.inference.encoders.prepare import prepare
from pigeonhole.settings import Settings
from pigeonhole_cli.bulk.local_input import LocalImageFetcher, LocalInput
from pigeonhole_cli.bulk.local_run import FolderStore, LocalRun, RunDescription
from pigeonhole_cli.bulk.run_progress import RunProgress
from pigeonhole_cli.console import one_line, plural, say
from pigeonhole_cli.model_cache import DEFAULT_CACHE, cached_folder
from pigeonhole_cli.models import Cache
from pigeonhole_cli.progress import progress_bar
from pigeonhole_cli.request_input import STDIN, InputError, is_address, read_json_object

TENANT = "local"
MAX_PATH_CHARS = 4_096  # the custom_id of a folder's photo is its path
EXIT_FAILED, EXIT_SOME_ERRORS, EXIT_INTERRUPTED = 1, 4, 130
EXIT_CODES = """\b
Exit codes:
  0    success
  1    the command failed
  2    the arguments are wrong
  4    the results are complete, but some samples have errors
  130  interrupted; the same command continues"""

app = typer.Typer(help="Classify manifests and folders of any size.", no_args_is_help=True)


@app.callback()
def bulk() -> None:
    """Classify manifests and folders of any size."""


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
    label: Annotated[
        list[str] | None, typer.Option(help="A label to choose from. Repeat the option: at least two labels.")
    ] = None,
    body: Annotated[
        str | None,
        typer.Option(
            help="A file with labels and options as JSON, as in a request without `dataset`, in place of labels and options. "
            "Example images may be paths. - reads standard input."
        ),
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
    if body is None and len(set(label or ())) < 2:
        raise typer.BadParameter("give at least two different labels: --label cat --label dog", param_hint="--label")
    with _errors(out):
        local_input = LocalInput(samples.absolute())
        local_input.check()
        options = _read_body(body) if body is not None else _to_options(label or [], given)
        classified = _classify(local_input, out, options, output, _model_folder(model, cache), threads or _cores(), as_json)
    raise typer.Exit(EXIT_SOME_ERRORS if classified.failed else 0)


def _classify(
    local_input: LocalInput,
    out: Path,
    options: BulkOptions,
    output: OutputFormat,
    model_folder: Path,
    threads: int,
    as_json: bool,
) -> Counts:
    from pigeonhole.wiring.bulk import local_pipeline

    loaded = local_pipeline(
        Settings(model_dir=str(model_folder), threads=1, decode_workers=1),
        lambda inner: LocalImageFetcher(inner, local_input.base),
    )
    span_limits = SpanLimits()
    description = RunDescription(
        input=str(local_input.path),
        identity=local_input.identity(),
        options=options.model_dump(mode="json", exclude_defaults=True),
        format=output.value,
        model_id=loaded.model.model_id,
        model_revision=loaded.model.revision,
        span_samples=span_limits.samples,
    )
    with LocalRun(out, description) as run:
        parts = PartFiles(store=FolderStore(out), format=output, multiple_labels=options.multiple_labels, scores=options.scores)
        if not run.is_finished:
            source = local_input.open(out)
            spans = [*plan_spans(source.read(), span_limits)]
            if not spans:
                raise InputError(f"{local_input.path} has no samples.")
            limits = RequestLimits(max_custom_id_chars=MAX_PATH_CHARS) if local_input.is_folder else DEFAULT_LIMITS
            runner = SpanRunner(
                pipeline=loaded.pipeline,
                source=source,
                options=options,
                limits=limits,
                span_limits=span_limits,
                tenant_id=TENANT,
                threads=threads,
            )
            left = [span for span in spans if span.number not in run.records]
            with progress_bar() as bar:
                progress = RunProgress(bar, total=sum(span.samples for span in spans), already=run.counts)
                for results in runner.run(left, on_group=progress.add):
                    run.add(results.span, parts.write(results.span.number, results.rows, results.errors), results.warnings)
            say(progress.summary())
        manifest = run.finish(parts, list(dict.fromkeys(label.name for label in options.labels)))
    for warning in manifest.warnings:
        say(f"warning: {one_line(warning)}")
    counts = manifest.counts
    errors = f" {counts.failed} of them have an error: see errors-*.{output.value}." if counts.failed else ""
    say(f"{out} has the results of {plural(counts.total, 'sample')}.{errors}")
    if as_json:
        typer.echo(manifest.model_dump_json(indent=2))
    return counts


def _to_options(labels: list[str], given: dict[str, Any]) -> BulkOptions:
    fields = {"labels": [{"type": "text", "value": label} for label in labels], **given}
    return _validate({name: value for name, value in fields.items() if value is not None})


def _read_body(file: str) -> BulkOptions:
    fields = json.loads(read_json_object(file, "must be a JSON object with `labels`."))
    folder = Path() if file == STDIN else Path(file).parent
    labels = fields.get("labels")
    for label in labels if isinstance(labels, list) else ():
        if isinstance(label, dict) and label.get("type") == "image" and isinstance(label.get("value"), str):
            _find_example(label, folder)
    return _validate(fields)


def _find_example(label: dict[str, Any], folder: Path) -> None:
    """Replace the path of an example image, which is relative to the file of the labels and not to the manifest."""
    value = label["value"]
    if not is_address(value):
        label.update(key=label.get("key", value), value=str((folder / value).absolute()))


def _validate(fields: object) -> BulkOptions:
    try:
        return BulkOptions.model_validate(fields, context=DEFAULT_LIMITS)
    except ValidationError as error:
        raise invalid_request(to_faults(error)) from None


def _model_folder(model: str, cache: Path) -> Path:
    """Return the artifact folder of a model. The bundled model is prepared if necessary."""
    cached = cached_folder(model, cache)
    if model == registry.BUNDLED:
        prepare(model, cached)
    elif not cached.is_dir() and not Path(model).is_dir():
        raise ModelUnavailable(f"{model} isn't prepared and is no artifact folder: run `pigeonhole models prepare {model}`")
    return cached if cached.is_dir() else Path(model)


def _cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
