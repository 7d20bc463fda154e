"""`pigeonhole eval`: measure models on labelled data, and write a report of each. All data stay on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from pigeonhole.errors import SampleError
from pigeonhole.inference.classifier import Options
from pigeonhole.inference.encoders import registry
from pigeonhole.inference.encoders.artifact import ModelUnavailable
from pigeonhole_cli.evaluation import report
from pigeonhole_cli.evaluation.classifier import open_classifier, with_prior
from pigeonhole_cli.evaluation.comparison import print_comparison
from pigeonhole_cli.evaluation.data import Columns, Selection, read_files
from pigeonhole_cli.evaluation.evaluate import evaluate_model
from pigeonhole_cli.evaluation.evaluation import Evaluation
from pigeonhole_cli.evaluation.item import DataError
from pigeonhole_cli.evaluation.suites import make_tasks, read_suite
from pigeonhole_cli.evaluation.tasks import limit_task, plain_tasks
from pigeonhole_cli.model_cache import DEFAULT_CACHE, prepared_folder
from pigeonhole_cli.models import Cache
from pigeonhole_cli.request_input import InputError, read_text

EXIT_INTERRUPTED = 130  # 128 + SIGINT, as in shells
OUT = Path("build/eval")


class Scoring(Enum):
    """The ways of scoring that can be compared."""

    CALIBRATED = "calibrated"
    PRIOR = "prior"
    LITERAL = "literal"


Names = Annotated[
    str | None,
    typer.Option(
        "--labels",
        help='The labels to choose from, separated by commas: "cat,dog,none of these". Default: the labels of the data.',
    ),
]
NamesFile = Annotated[Path | None, typer.Option("--labels-file", help="A file with the labels to choose from, one per line.")]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", help="A prepared model's name or an artifact folder. Repeat the option to compare models."),
]
Suites = Annotated[
    list[Path] | None,
    typer.Option(
        "--suite",
        help="The definition of a suite, a TOML file (see benchmarks/quality): it makes tasks from the samples. Repeat the "
        "option to run several suites, which embed each sample only once.",
    ),
]
Scorings = Annotated[
    list[Scoring] | None,
    typer.Option(
        "--scoring",
        help="calibrated: as the service scores. prior: without the model's calibration. literal: as prior, and labels such as "
        '"not a cat" or "other" are read as names of things. Repeat the option to compare ways of scoring.',
    ),
]
Templates = Annotated[
    list[str] | None, typer.Option("--template", help='A prompt template with {} for the label: "a photo of a {}". Repeatable.')
]


def evaluate(
    data: Annotated[
        list[Path],
        typer.Argument(
            help="The labelled samples: a folder with a sub-folder per class, or a .csv, .parquet or .jsonl file. Several are "
            "read as one.",
            show_default=False,
        ),
    ],
    labels: Names = None,
    labels_file: NamesFile = None,
    suite: Suites = None,
    model: Models = None,
    scoring: Scorings = None,
    multiple_labels: Annotated[
        bool, typer.Option("--multiple-labels", help="Allow any number of true labels per sample.")
    ] = False,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="With --multiple-labels: the lowest probability of a chosen label.")
    ] = None,
    template: Templates = None,
    instruction: Annotated[str | None, typer.Option(help="The subject of the labels, as in a request.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Evaluate this many random samples of each task.")] = None,
    balanced: Annotated[
        bool, typer.Option("--balanced", help="Draw the samples of --limit from each label in turn, as many of each.")
    ] = False,
    seed: Annotated[int, typer.Option(help="The seed of the random samples of --limit.")] = 0,
    set_name: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help='Evaluate the sets of this name or pattern ("sun-*") of the table\'s column set. Repeatable.'
        ),
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(help='Evaluate the samples with this value ("dev") in the table\'s column split. Repeatable.'),
    ] = None,
    text_column: Annotated[str | None, typer.Option(help="The name of the table's column of texts. Default: text.")] = None,
    image_column: Annotated[
        str | None, typer.Option(help="The name of the table's column of images, paths or bytes. Default: image.")
    ] = None,
    label_column: Annotated[str, typer.Option(help="The name of the table's column of labels.")] = "label",
    out: Annotated[
        Path | None, typer.Option(help=f"The folder for the reports. Default: a folder in {OUT}, named for the data.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the content of the results.json files.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="The number of batches that are read and encoded concurrently.")] = 2,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """Measure how well models sort labelled samples, and write a report.

    The report has metrics with intervals, charts, and the mistakes with the highest probabilities.

    A table with a column `set` has several data sets, each with labels of its own. The metrics then are means over the sets.
    """
    if threshold is not None and not multiple_labels:
        raise typer.BadParameter(
            "needs --multiple-labels: without it the best label is always chosen", param_hint="--threshold"
        )
    if any(prompt.count("{}") != 1 for prompt in template or ()):
        raise typer.BadParameter("a template must have {} exactly once, in place of the label", param_hint="--template")
    names = _read_labels(labels, labels_file)
    if suite and (names or multiple_labels):
        raise typer.BadParameter(
            "can't be combined with labels or --multiple-labels: a suite has labels of its own", param_hint="--suite"
        )
    options = Options(threshold=threshold, instruction=instruction, templates=tuple(template) if template else None)
    name = data[0].resolve().stem if data[0].is_file() else data[0].resolve().name
    with _errors():
        if missing := report.missing_package():
            raise DataError(missing)
        # Models come first: a missing model is reported before the data is read, which may take minutes.
        folders = _model_folders(model or [registry.BUNDLED], cache)
        selection = Selection(tuple(set_name or ()), tuple(split or ()))
        items = read_files(data, Columns(text_column, image_column, label_column), selection)
        # The tasks of each folder of reports.
        if suite:
            runs = {
                (out / path.stem if len(suite) > 1 else out) if out else OUT / f"{path.stem}-{name}": make_tasks(
                    read_suite(path), items
                )
                for path in suite
            }
        else:
            runs = {out or OUT / name: plain_tasks(items, name, labels=names, multiple=multiple_labels)}
        evaluations: dict[Path, list[Evaluation]] = {folder: [] for folder in runs}
        contents = []
        scorings = scoring or [Scoring.CALIBRATED]
        for model_name, model_folder in folders.items():
            # One classifier for all suites and ways of scoring: its encoders cache the embeddings.
            classifier = open_classifier(model_folder, workers=workers, calibrated=Scoring.CALIBRATED in scorings)
            for folder, tasks in runs.items():
                for scoring_name in scorings:
                    evaluation = evaluate_model(
                        [limit_task(task, limit, seed, balanced=balanced) for task in tasks],
                        classifier if scoring_name is Scoring.CALIBRATED else with_prior(classifier),
                        replace(options, literal=scoring_name is Scoring.LITERAL),
                        name=model_name if scoring_name is Scoring.CALIBRATED else f"{model_name}-{scoring_name.value}",
                        folder=model_folder,
                        data=data,
                        limit=limit,
                        seed=seed,
                        workers=workers,
                    )
                    contents.append(report.write(folder / evaluation.name, evaluation))
                    evaluations[folder].append(evaluation)
    if as_json:
        typer.echo(json.dumps(contents, indent=2, ensure_ascii=False))
    else:
        for folder, models_evaluations in evaluations.items():
            print_comparison(models_evaluations, folder)


def _model_folders(models: Sequence[str], cache: Path) -> dict[str, Path]:
    """Return each model's artifact folder by a unique name. The bundled model is prepared if necessary.

    Raises:
        ModelUnavailable: A model is not prepared.
    """
    folders: dict[str, Path] = {}
    for model in dict.fromkeys(models):
        folder = prepared_folder(model, cache)
        name, number = folder.resolve().name, 2
        while name in folders:
            name, number = f"{folder.resolve().name}-{number}", number + 1
        folders[name] = folder
    return folders


def _read_labels(labels: str | None, file: Path | None) -> list[str] | None:
    """Return the labels of the options, or None if the labels are those of the data."""
    if labels is not None and file is not None:
        raise typer.BadParameter("can't be combined with --labels-file", param_hint="--labels")
    if labels is not None:
        names, hint = labels.split(","), "--labels"
    elif file is not None:
        hint = "--labels-file"
        try:
            names = read_text(file).splitlines()
        except InputError as error:
            raise typer.BadParameter(str(error), param_hint=hint) from None
    else:
        return None
    names = [name.strip() for name in names if name.strip()]
    if len(set(names)) < 2:
        raise typer.BadParameter("must have at least two labels", param_hint=hint)
    return names


@contextmanager
def _errors() -> Iterator[None]:
    """Print an error in one line and end with exit code 1, or with 130 after Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("stopped: the reports of finished models are complete, the others were not written", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except OSError as error:
        where = f"{error.filename} can't be written: " if error.filename else ""
        typer.echo(f"error: {where}{error.strerror or error}", err=True)
        raise typer.Exit(1) from None
    except (DataError, ModelUnavailable, SampleError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
