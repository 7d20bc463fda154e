"""`pigeonhole classify`: one answer now, by a running stack or by the model in this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from pigeonhole.client import ApiError, ClientError, Result
from pigeonhole.errors import PigeonholeError
from pigeonhole.inference.encoders import registry
from pigeonhole.inference.encoders.artifact import ModelUnavailable
from pigeonhole_cli.api_options import EXIT_FAILED, ApiKey, Url, check_connection, print_json
from pigeonhole_cli.classify import output
from pigeonhole_cli.classify.deployed import deployed_engine
from pigeonhole_cli.classify.engine import Classified, Engine, classify_samples
from pigeonhole_cli.classify.samples import CommandSample, read_samples
from pigeonhole_cli.console import one_line, plural, say
from pigeonhole_cli.jobs.tables import EXIT_INTERRUPTED, EXIT_SOME_ERRORS
from pigeonhole_cli.label_options import Instruction, Labels, LabelSet, Multiple, Threshold, check_labels
from pigeonhole_cli.model_cache import DEFAULT_CACHE, prepared_folder
from pigeonhole_cli.models import Cache
from pigeonhole_cli.progress import progress_bar
from pigeonhole_cli.request_input import STDIN, InputError

FEW_SAMPLES = 8  # that need no progress bar
NO_API = " Without a stack, add --local."
MANY_IMAGES = 1_000  # for which a run that can be continued is better
EXIT_CODES = f"""\b
Exit codes:
  0    success
  1    the command failed
  2    the arguments are wrong
  {EXIT_SOME_ERRORS}    some samples have errors
  {EXIT_INTERRUPTED}  interrupted"""

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command("classify", epilog=EXIT_CODES)
def classify(
    samples: Annotated[
        list[str] | None,
        typer.Argument(
            help="Texts, image files, text files, folders of image files, https:// and s3:// addresses of images. - reads "
            "standard input, one text per line. So does a pipe without any argument.",
            show_default=False,
        ),
    ] = None,
    texts: Annotated[str | None, typer.Option(help="A file with one text per line. - reads standard input.")] = None,
    label: Labels = None,
    label_set: LabelSet = None,
    multiple: Multiple = False,
    threshold: Threshold = None,
    instruction: Instruction = None,
    scores: Annotated[bool, typer.Option("--scores", help="Show the probability of every label.")] = False,
    local: Annotated[
        bool, typer.Option("--local", help="Classify in this process with a prepared model. No stack is needed.")
    ] = False,
    model: Annotated[
        str, typer.Option(envvar="MODEL", help="With --local: a prepared model's name or an artifact folder.")
    ] = registry.BUNDLED,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a header.")] = False,
    cache: Cache = DEFAULT_CACHE,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """Classify texts and images now.

    A terminal shows a table with bars. A pipe gets a line per sample: sample, labels and probability, with tabs between them. A
    sample with an error has two empty fields, then the error.
    """
    check_labels(label, label_set)
    if as_json and as_csv:
        raise typer.BadParameter("--json and --csv exclude each other")
    if local and label_set is not None:
        raise typer.BadParameter("--local has no label sets: they are stored by a stack. Give --label instead")
    named = samples or []
    if not named and texts is None:
        if sys.stdin.isatty():
            raise typer.BadParameter("name texts, files, folders or addresses, or pipe texts in, one per line")
        named = [STDIN]
    connection = None if local else check_connection(url, api_key, advice=NO_API)
    # False would override what the label set says.
    options = {"multiple_labels": multiple or None, "threshold": threshold, "instruction": instruction, "scores": True}
    with _report_errors():
        read = read_samples(named, texts)
        if not read:
            raise InputError("There is no text in the input.")
        _hint_at_bulk(read)
        engine = _local_engine(model, cache) if connection is None else deployed_engine(*connection)
        fields = {"labels": label or None, "label_set": label_set, **options}
        classified = _classify(engine, read, fields)
    _print(classified, as_json=as_json, as_csv=as_csv, scores=scores)
    for warning in classified.warnings:
        say(f"warning: {one_line(warning)}")
    if classified.failed:
        say(f"{plural(classified.failed, 'sample')} of {len(read)} could not be classified.")
    raise typer.Exit(EXIT_SOME_ERRORS if classified.failed else 0)


def _local_engine(model: str, cache: Path) -> Engine:
    # Imported late: it brings the model's engine.
    from pigeonhole_cli.classify.in_process import local_engine

    return local_engine(prepared_folder(model, cache))


def _classify(engine: Engine, samples: Sequence[CommandSample], fields: dict[str, Any]) -> Classified:
    if len(samples) <= FEW_SAMPLES:
        return classify_samples(engine, samples, fields, lambda results: None)
    done = failed = 0
    with progress_bar() as bar:

        def show(results: Sequence[Result]) -> None:
            nonlocal done, failed
            done += len(results)
            failed += sum(result.error is not None for result in results)
            bar.show("classifying", done, len(samples), failed)

        return classify_samples(engine, samples, fields, show)


def _print(classified: Classified, *, as_json: bool, as_csv: bool, scores: bool) -> None:
    if as_json:
        print_json(output.to_json(classified, scores=scores))
    elif as_csv:
        typer.echo(output.to_csv(classified, scores=scores), nl=False)
    elif sys.stdout.isatty():
        from rich.console import Console

        console = Console(highlight=False)
        console.print(output.to_table(classified, scores=scores or len(classified.samples) == 1, width=console.width))
        for line in output.error_lines(classified):
            say(line)
    else:
        typer.echo("\n".join(output.to_lines(classified, scores=scores)))


def _hint_at_bulk(samples: Sequence[CommandSample]) -> None:
    if sum(sample.type == "image" for sample in samples) > MANY_IMAGES:
        say("For thousands of photos, `pigeonhole bulk local FOLDER --out results/` continues after an interruption.")


@contextmanager
def _report_errors() -> Iterator[None]:
    """Print an error in one line and end with exit code 1, or with 130 after Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        say("Interrupted.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except (ClientError, InputError, ModelUnavailable, PigeonholeError) as error:
        say(f"error: {one_line(str(error))}")
        details = [f"{fault.path}: {fault.message}" for fault in getattr(error, "details", ())]
        for detail in details if len(details) > 1 else ():
            say(f"  {one_line(detail)}")
        if isinstance(error, ApiError) and error.code == "invalid_api_key":
            say("Give the key as --key or JIGSAWSTACK_API_KEY; `pigeonhole keys create` makes one.")
        raise typer.Exit(EXIT_FAILED) from None
