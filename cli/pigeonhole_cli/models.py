"""`pigeonhole models`: prepare, calibrate and list models.

A prepared model is an artifact folder in the cache. The classifier runs the model that PIGEONHOLE_MODEL_DIR points to.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pigeonhole.errors import SampleError
from pigeonhole.inference.encoders import artifact, registry
from pigeonhole.inference.encoders.artifact import ArtifactInfo, ModelUnavailable, Precision
from pigeonhole.inference.encoders.prepare import prepare as prepare_model
from pigeonhole_cli.console import say
from pigeonhole_cli.model_cache import DEFAULT_CACHE, cached_folder

app = typer.Typer(help="Prepare, calibrate and list models.", no_args_is_help=True)

Model = Annotated[
    str,
    typer.Argument(
        help=f"The model: a preset ({', '.join(registry.PRESETS)}), a folder, or a Hugging Face id.", show_default=False
    ),
]
Sentence = Annotated[
    str,
    typer.Option(
        "--sentence",
        envvar="SENTENCE_MODEL_ID",
        help=f"The model that compares texts with texts: a preset ({', '.join(registry.SENTENCE_PRESETS)}), a folder, or a "
        "Hugging Face id.",
    ),
]
PrecisionOption = Annotated[
    Precision | None,
    typer.Option(
        "--precision",
        envvar="MODEL_PRECISION",
        help="The precision of the image tower. int8 is used only where it is close to fp32. "
        "Default: int8, but fp32 for models such as the bundled one.",
        show_default=False,
    ),
]
Photos = Annotated[
    Path | None,
    typer.Option(
        "--photos",
        help="A folder of photos like yours, for the calibration of int8. Default: a few photos of this repository.",
        exists=True,
        file_okay=False,
    ),
]
Cache = Annotated[
    Path,
    typer.Option("--cache", envvar="PIGEONHOLE_CACHE", help="The cache: prepared models are in its folder `models/`."),
]


@app.command()
def prepare(
    model: Model = registry.BUNDLED,
    out: Annotated[Path | None, typer.Option(help="The artifact folder to write, in place of the one in the cache.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Prepare the model again, from its newest revision on Hugging Face.")
    ] = False,
    sentence: Sentence = registry.BUNDLED_SENTENCE,
    precision: PrecisionOption = None,
    photos: Photos = None,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """Prepare a model to run.

    Its ONNX graphs and tokenizers are written to the cache. A model that is already prepared is left unchanged.
    """
    folder = out or cached_folder(model, cache)
    _prepare(model, folder, sentence=sentence, precision=precision, photos=photos, force=force)


@app.command()
def export(
    model: Model,
    folder: Annotated[Path, typer.Argument(help="The artifact folder to write.")],
    sentence: Sentence = registry.BUNDLED_SENTENCE,
    precision: PrecisionOption = None,
    photos: Photos = None,
) -> None:
    """Write a model's artifact folder for another machine.

    An artifact folder has all that a container image needs to run the model. An existing folder is replaced.
    """
    _prepare(model, folder, sentence=sentence, precision=precision, photos=photos, force=True)


@app.command()
def calibrate(
    model: Annotated[str, typer.Argument(help="A prepared model's name, or an artifact folder.", show_default=False)],
    data: Annotated[
        list[Path],
        typer.Argument(
            help="Labelled photos and texts in the formats of `pigeonhole eval`. The model must not be trained on them.",
            show_default=False,
        ),
    ],
    split: Annotated[
        list[str] | None,
        typer.Option(help="Use the samples with this value in the table's column split, if it has one. Default: train."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The folder in which to write calibration.json, in place of the model's own folder.")
    ] = None,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """Fit a model's scores to labelled data.

    The scores then are probabilities. The result is the file calibration.json in the artifact folder.

    Photos and texts can be combined: name several data sets. The sets of a table (column `set`) form families by the first word
    of their names. Each family has the same weight.
    """
    # Imported late: the other commands don't need numpy.
    from pigeonhole_cli.evaluation.calibration import calibrate as calibration
    from pigeonhole_cli.evaluation.calibration import episodes, language_weights
    from pigeonhole_cli.evaluation.classifier import open_classifier
    from pigeonhole_cli.evaluation.data import Selection, read
    from pigeonhole_cli.evaluation.item import DataError

    folder = cached if (cached := cached_folder(model, cache)).is_dir() else Path(model)
    try:
        classifier = open_classifier(folder, workers=1, calibrated=False)
        selection = Selection(splits=tuple(split or ("train",)))
        files = [read(path, selection=selection) for path in data]
        # Files of one type are shards of the same sets, if they have sets.
        in_sets = [item for items in files for item in items if item.task is not None]
        by_type = [[item for item in in_sets if item.type == kind] for kind in ("image", "text")]
        if classifier.background.multilingual_texts is not None and by_type[1]:
            weights = language_weights.choose_weights(classifier, by_type[1])
            classifier.calibration = replace(classifier.calibration, multilingual=weights)
        plain = [[item for item in items if item.task is None] for items in files]
        data_sets = [embedded for items in (*plain, *by_type) if items for embedded in episodes.embed_sets(classifier, items)]
        fitted = calibration.fit(classifier, data_sets)
        content = fitted.calibration.to_content(classifier.encoder.info.revision, [path.name for path in data])
        content["left_out"] = {kind: asdict(errors) for kind, errors in fitted.left_out.items()}
        target = (out or folder) / artifact.CALIBRATION
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_suffix(".partial")
        unfinished.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        unfinished.replace(target)
    except (DataError, ModelUnavailable, SampleError) as error:
        raise _fail(str(error)) from None
    except OSError as error:
        raise _fail(f"{error.filename} can't be written: {error.strerror or error}") from None
    samples = sum(len(data_set.classes) for data_set in data_sets)
    if samples < calibration.MIN_SAMPLES:
        typer.echo(
            f"warning: {samples} samples are few; below {calibration.MIN_SAMPLES} the default coefficients may be better",
            err=True,
        )
    for kind, errors in fitted.left_out.items():
        typer.echo(
            f"{kind} samples of {errors.families} families of sets, each left out in turn: calibration error "
            f"{100 * errors.calibration_error:.1f} %, log loss {errors.log_loss:.3f}"
        )
    typer.echo(f"{model}: calibrated on {samples} samples of {', '.join(content['measured_on'])}: {target}")


@dataclass(frozen=True)
class ModelStatus:
    """A preset or a model in the cache, as `models list --json` prints it.

    Attributes:
        name: The preset's name, or that of the model's folder.
        model_id: The model's source.
        licence: The model's licence.
        good_for: What the preset is good for.
        folder: The artifact folder.
        prepared: Whether the artifact folder is complete.
        revision: The model's revision.
        calibrated: Whether there is a calibration of this revision.
        megabytes: The size of the artifact folder.
        text_model: What compares texts with texts.
        fault: Why the artifact folder can't be used.
    """

    name: str
    model_id: str
    licence: str
    good_for: str
    folder: str
    prepared: bool
    revision: str | None = None
    calibrated: bool = False
    megabytes: int = 0
    text_model: str = ""
    fault: str | None = None


@app.command("list")
def list_models(
    check: Annotated[
        bool, typer.Option("--check", help="Compare every file of the prepared models with its recorded hash.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the models as JSON.")] = False,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """List the presets and the prepared models.

    The exit code is 1 if a prepared model is broken.
    """
    statuses = _statuses(cache.expanduser(), check=check)
    if as_json:
        typer.echo(json.dumps([asdict(status) for status in statuses], indent=2))
    else:
        _print_table(statuses)
    for status in statuses:
        if status.fault:
            typer.echo(status.fault, err=True)
    if any(status.fault for status in statuses):
        raise typer.Exit(1)


def _prepare(model: str, folder: Path, *, sentence: str, precision: Precision | None, photos: Path | None, force: bool) -> None:
    try:
        prepared, is_new = prepare_model(
            model,
            folder,
            sentence=sentence,
            precision=precision,
            photos=photos,
            force=force,
            on_export=partial(say, f"Preparing the model {model} ..."),
        )
        status = _to_status(folder, prepared)
    except ModelUnavailable as error:
        raise _fail(str(error)) from None
    except OSError as error:
        raise _fail(f"{folder} can't be written: {error.strerror or error}") from None
    typer.echo(
        f"{model}: {'prepared' if is_new else 'already prepared'} at {folder}\n"
        f"  revision {status.revision}, {'calibrated' if status.calibrated else 'not calibrated'}, "
        f"{status.megabytes} MB, licence {status.licence}\n"
        f"  text model {status.text_model}, licence {prepared.sentence.licence}\n"
        f"  image tower in {_precision_phrase(prepared)}"
    )


def _precision_phrase(prepared: ArtifactInfo) -> str:
    parity = prepared.int8_parity
    if parity is None:
        return prepared.precision
    measured = f"mean cosine with fp32 {parity.cosine:.3f}, same best concept for {100 * parity.same_label:.0f} % of the photos"
    if parity.holds:
        return f"int8: {measured}"
    return (
        f"fp32, because int8 differs too much: {measured}. "
        "More photos like yours (--photos FOLDER) may help; --precision fp32 skips the trial"
    )


def _statuses(cache: Path, *, check: bool) -> list[ModelStatus]:
    folders = {name: cached_folder(name, cache) for name in registry.PRESETS}
    models = cache / "models"
    if models.is_dir():
        folders |= {path.name: path for path in sorted(models.iterdir()) if path.is_dir() and not path.name.startswith(".")}
    statuses = []
    for name, folder in folders.items():
        if not folder.exists():
            preset = registry.PRESETS[name]
            statuses.append(ModelStatus(name, preset.source, preset.licence, preset.good_for, str(folder), prepared=False))
            continue
        try:
            statuses.append(_to_status(folder, artifact.read_info(folder, check_hashes=check)))
        except ModelUnavailable as error:
            statuses.append(ModelStatus(name, "", "", "", str(folder), prepared=False, fault=str(error)))
    return statuses


def _to_status(folder: Path, prepared: ArtifactInfo) -> ModelStatus:
    preset = registry.PRESETS.get(folder.name)
    calibration = registry.read_calibration(folder)
    return ModelStatus(
        name=folder.name,
        model_id=prepared.encoder.model_id,
        licence=prepared.encoder.licence,
        good_for=preset.good_for if preset else "",
        folder=str(folder),
        prepared=True,
        revision=prepared.encoder.revision,
        calibrated=calibration is not None and calibration.get("revision") == prepared.encoder.revision,
        megabytes=round(sum(facts.bytes for facts in prepared.files.values()) / 1e6),
        text_model=prepared.sentence.model_id,
    )


def _print_table(statuses: list[ModelStatus]) -> None:
    table = Table("model", "prepared", "revision", "calibrated", "MB", "licence")
    for status in statuses:
        state = "broken" if status.fault else "yes" if status.prepared else "no"
        calibrated = "" if not status.prepared else "yes" if status.calibrated else "no"
        size = str(status.megabytes) if status.prepared else ""
        table.add_row(status.name, state, status.revision or "", calibrated, size, status.licence)
    Console().print(table)
    for preset in registry.PRESETS.values():
        typer.echo(f"{preset.name}: {preset.good_for}")
    typer.echo("\nText models, for --sentence:")
    for preset in registry.SENTENCE_PRESETS.values():
        typer.echo(f"{preset.name}: {preset.good_for}")


def _fail(message: str) -> typer.Exit:
    typer.echo(f"error: {message}", err=True)
    return typer.Exit(1)
