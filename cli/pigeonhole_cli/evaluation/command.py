"""`pigeonhole eval`: measure models on labelled data, and write a report of each. Texts and pictures stay on this machine."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Task as Bar
from rich.table import Table
from rich.text import Text

from pigeonhole.errors import SampleError
from pigeonhole.inference.classifier import Classifier, Options
from pigeonhole.inference.encoders import registry
from pigeonhole.inference.encoders.artifact import ModelUnavailable
from pigeonhole.inference.encoders.prepare import prepare
from pigeonhole_cli.evaluation import metrics, report
from pigeonhole_cli.evaluation.data import Columns, DataError, read
from pigeonhole_cli.evaluation.evaluation import Evaluation, shown
from pigeonhole_cli.evaluation.run import description, on_prior, open_classifier, run
from pigeonhole_cli.evaluation.suites import make, read_suite
from pigeonhole_cli.evaluation.tasks import Task, limited, plain
from pigeonhole_cli.model_cache import DEFAULT_CACHE, cached_folder
from pigeonhole_cli.models import Cache

INTERRUPTED = 130  # 128 and SIGINT, as shells have it
OUT = Path("build/eval")


class Scoring(Enum):
    """Ways to score that can be compared."""

    CALIBRATED = "calibrated"
    PRIOR = "prior"
    LITERAL = "literal"


Names = Annotated[str | None, typer.Option("--labels", help='The labels to choose from: "cat,dog,none of these".')]
NamesFile = Annotated[Path | None, typer.Option("--labels-file", help="A file of them, one a line.")]
Models = Annotated[
    list[str] | None, typer.Option("--model", help="A prepared model or an artifact folder. Repeatable: models are compared.")
]
Suites = Annotated[
    Path | None, typer.Option("--suite", help="A suite's definition (benchmarks/quality): tasks made of the data's samples.")
]
Scorings = Annotated[
    list[Scoring] | None,
    typer.Option(
        "--scoring",
        help="calibrated: as the service scores; prior: without the model's calibration; literal: that, and labels such as "
        '"not a cat" or "other" taken for things. Repeatable: they are compared.',
    ),
]
Templates = Annotated[
    list[str] | None, typer.Option("--template", help='A prompt with {} for the label: "a photo of a {}". Repeatable.')
]


def evaluate(
    data: Annotated[
        Path,
        typer.Argument(help="A folder with a sub-folder per class, or a .csv, .parquet or .jsonl file.", show_default=False),
    ],
    labels: Names = None,
    labels_file: NamesFile = None,
    suite: Suites = None,
    model: Models = None,
    scoring: Scorings = None,
    multiple_labels: Annotated[bool, typer.Option("--multiple-labels", help="Any number of labels may be true.")] = False,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="With --multiple-labels: the least probability of a chosen label.")
    ] = None,
    template: Templates = None,
    instruction: Annotated[str | None, typer.Option(help="What the labels are about, as in a request.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take so many samples, drawn at random.")] = None,
    seed: Annotated[int, typer.Option(help="Which ones --limit draws.")] = 0,
    text_column: Annotated[str | None, typer.Option(help="The table's column of texts.")] = None,
    image_column: Annotated[str | None, typer.Option(help="The table's column of images: paths or bytes.")] = None,
    label_column: Annotated[str, typer.Option(help="The table's column of labels.")] = "label",
    out: Annotated[Path | None, typer.Option(help=f"Where the reports go; by default {OUT}/ and the data's name.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what the results.json files hold.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="How many batches are read and encoded side by side.")] = 2,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """Measure how well models sort labelled samples: metrics with intervals, charts, and the surest mistakes."""
    if threshold is not None and not multiple_labels:
        raise typer.BadParameter("it needs --multiple-labels; one label is always the best one", param_hint="--threshold")
    if any(each.count("{}") != 1 for each in template or ()):
        raise typer.BadParameter("a template has {} once, where the label goes", param_hint="--template")
    names = _names(labels, labels_file)
    if suite and (names or multiple_labels):
        raise typer.BadParameter("a suite has labels of its own, and says whether several may be true", param_hint="--suite")
    options = Options(threshold=threshold, instruction=instruction, templates=tuple(template) if template else None)
    name = data.resolve().stem if data.is_file() else data.resolve().name
    folder = out or OUT / (f"{suite.stem}-{name}" if suite else name)
    with _errors():
        if missing := report.missing_package():
            raise DataError(missing)
        # Models first: a name that isn't prepared is said before minutes go into reading data.
        found = _models(model or [registry.BUNDLED], cache)
        items = read(data, Columns(text_column, image_column, label_column))
        asked = make(read_suite(suite), items) if suite else plain(items, data.stem, labels=names, multiple=multiple_labels)
        tasks = [limited(task, limit, seed) for task in asked]
        evaluations, contents = [], []
        ways = scoring or [Scoring.CALIBRATED]
        for model_name, model_folder in found.items():
            # Once for all ways to score: samples and labels are encoded for the first of them alone.
            opened = open_classifier(model_folder, workers=workers, calibrated=Scoring.CALIBRATED in ways)
            for how in ways:
                evaluation = answer(
                    tasks,
                    opened if how is Scoring.CALIBRATED else on_prior(opened),
                    replace(options, literal=how is Scoring.LITERAL),
                    name=model_name if how is Scoring.CALIBRATED else f"{model_name}-{how.value}",
                    folder=model_folder,
                    data=data,
                    limit=limit,
                    seed=seed,
                    workers=workers,
                )
                contents.append(report.write(folder / evaluation.name, evaluation))
                evaluations.append(evaluation)
    show(evaluations, contents, folder, as_json=as_json)


def answer(
    tasks: Sequence[Task],
    classifier: Classifier,
    options: Options,
    *,
    name: str,
    folder: Path,
    data: Path,
    limit: int | None,
    seed: int,
    workers: int,
) -> Evaluation:
    """Run tasks through one model, with a progress bar on a terminal. `name`: the model's, in tables and folders.

    Raises DataError if not one item could be read.
    """
    started = time.perf_counter()
    with _progress() as progress:
        bar = progress.add_task(name, total=sum(len(task.items) for task in tasks))
        answers = tuple(
            run(task, classifier, options, on_done=lambda count: progress.advance(bar, count), workers=workers)
            for task in tasks
        )
    faults = [fault for each in answers for fault in each.faults]
    if not any(each.answered for each in answers):
        raise DataError(f"none of the {len(faults)} samples could be read; the first, {faults[0].where}: {faults[0].message}")
    return Evaluation(
        name=name,
        folder=str(folder),
        model=description(classifier),
        options=options,
        data=str(data),
        limit=limit,
        seed=seed,
        answers=answers,
        seconds=time.perf_counter() - started,
        command=shlex.join(["pigeonhole", *sys.argv[1:]]),
    )


def show(evaluations: Sequence[Evaluation], contents: Sequence[dict[str, Any]], folder: Path, *, as_json: bool) -> None:
    """Print the models side by side; with `as_json` what their results.json files hold, and nothing else."""
    if as_json:
        typer.echo(json.dumps(contents, indent=2, ensure_ascii=False))
        return
    table = Table("metric", caption="in brackets: 95 % intervals, over samples")
    for each in evaluations:
        table.add_column(Text(each.name))
    for name, title in metrics.TITLES.items():
        found = [each.estimates.overall.get(name) for each in evaluations]
        if any(found):
            table.add_row(title, *(shown(name, estimate) if estimate else "" for estimate in found))
    table.add_row("samples", *(f"{each.counts['answered']:,}" for each in evaluations), end_section=True)
    if any(each.counts["faults"] for each in evaluations):
        table.add_row("could not be read", *(f"{each.counts['faults']:,}" for each in evaluations))
    table.add_row("calibrated", *("yes" if each.model.calibrated else "no" for each in evaluations))
    table.add_row("samples/s", *(f"{each.counts['answered'] / each.seconds:,.0f}" for each in evaluations))
    Console().print(table)
    for each in evaluations:
        if faults := each.counts["faults"]:
            typer.echo(f"{each.name}: {faults} samples could not be read and are in no figure; the report names them", err=True)
        typer.echo(f"{each.name}: {folder / each.name / report.REPORT}")


def _models(asked: Sequence[str], cache: Path) -> dict[str, Path]:
    """Each model's name, as none other has it, and its artifact folder. The bundled one is prepared where it has to be.

    Raises ModelUnavailable.
    """
    found: dict[str, Path] = {}
    for model in dict.fromkeys(asked):
        cached = cached_folder(model, cache)
        if model == registry.BUNDLED:
            prepare(model, cached)
        elif not cached.is_dir() and not Path(model).is_dir():
            raise ModelUnavailable(f"{model} isn't prepared and is no artifact folder: run `pigeonhole models prepare {model}`")
        folder = cached if cached.is_dir() else Path(model)
        name, number = folder.resolve().name, 2
        while name in found:
            name, number = f"{folder.resolve().name}-{number}", number + 1
        found[name] = folder
    return found


def _names(labels: str | None, file: Path | None) -> list[str] | None:
    """The labels that the caller names; None where they are the data's own."""
    if labels is not None and file is not None:
        raise typer.BadParameter("give either --labels or --labels-file", param_hint="--labels")
    if labels is not None:
        names, hint = labels.split(","), "--labels"
    elif file is not None:
        hint = "--labels-file"
        try:
            names = file.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError:
            raise typer.BadParameter(f"{file} isn't UTF-8 text: save it as UTF-8", param_hint=hint) from None
        except OSError as error:
            raise typer.BadParameter(f"{file} can't be read: {error.strerror or error}", param_hint=hint) from None
    else:
        return None
    names = [name.strip() for name in names if name.strip()]
    if len(set(names)) < 2:
        raise typer.BadParameter("name two labels at least, of which to choose one", param_hint=hint)
    return names


class _Rate(ProgressColumn):
    """Items a second, over the last half minute."""

    def render(self, task: Bar) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="progress.data.speed")


def _progress() -> Progress:
    """A bar on standard error, so that standard output is the result's alone; nothing where that is no terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def _errors() -> Iterator[None]:
    """Tell what went wrong in one line and leave with 1; with 130 where somebody stopped it."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("stopped: reports of models that were done are whole, others were not begun", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except OSError as error:
        where = f"{error.filename} can't be written: " if error.filename else ""
        typer.echo(f"error: {where}{error.strerror or error}", err=True)
        raise typer.Exit(1) from None
    except (DataError, ModelUnavailable, SampleError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
