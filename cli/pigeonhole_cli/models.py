"""`pigeonhole models`: make models ready to run, and say which are.

A prepared model is an artifact folder in the cache, by its preset's name or its own; whoever runs a model is pointed at one by
PIGEONHOLE_MODEL_DIR.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pigeonhole.errors import SampleError
from pigeonhole.inference.encoders import artifact, registry
from pigeonhole.inference.encoders.artifact import Artifact, ModelUnavailable
from pigeonhole.inference.encoders.prepare import prepare as prepare_model
from pigeonhole_cli.model_cache import DEFAULT_CACHE, cached_folder

app = typer.Typer(help="Make models ready to run, and list them.", no_args_is_help=True)

Model = Annotated[
    str, typer.Argument(help=f"A preset ({', '.join(registry.PRESETS)}), a folder, or a Hugging Face id.", show_default=False)
]
Cache = Annotated[
    Path,
    typer.Option("--cache", envvar="PIGEONHOLE_CACHE", help="Where prepared models are kept, under `models/`."),
]


@app.command()
def prepare(
    model: Model = registry.BUNDLED,
    out: Annotated[Path | None, typer.Option(help="The artifact folder to make, in place of the one in the cache.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Make it anew, and ask the hub for what is new.")] = False,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """Make a model ready to run, once: its ONNX graphs and tokenizers, in the cache."""
    _make(model, out or cached_folder(model, cache), force=force)


@app.command()
def export(
    model: Model,
    folder: Annotated[Path, typer.Argument(help="The artifact folder to make.")],
) -> None:
    """Make a model's artifact folder anew, for an image or another machine."""
    _make(model, folder, force=True)


@app.command()
def calibrate(
    model: Annotated[str, typer.Argument(help="A prepared model's name, or an artifact folder.", show_default=False)],
    data: Annotated[
        list[Path],
        typer.Argument(
            help="Labelled photos and texts that the model never saw, as for `pigeonhole eval`.", show_default=False
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="The folder for calibration.json, in place of the model's own.")] = None,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """Fit what makes a model's scores probabilities: calibration.json. Photos and texts may be given together."""
    # Here and not above: preparing and listing models need none of it.
    from pigeonhole_cli.evaluation import calibrate as calibration
    from pigeonhole_cli.evaluation.data import DataError, read
    from pigeonhole_cli.evaluation.run import open_classifier

    folder = cached if (cached := cached_folder(model, cache)).is_dir() else Path(model)
    try:
        classifier = open_classifier(folder, workers=1, calibrated=False)
        sets = [calibration.labelled(classifier, read(path)) for path in data]
        fitted = calibration.calibrate(classifier, sets)
        content = fitted.to_content(classifier.encoder.info.revision, [path.name for path in data])
        target = (out or folder) / artifact.CALIBRATION
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(".partial")
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        partial.replace(target)
    except (DataError, ModelUnavailable, SampleError) as error:
        raise _failed(str(error)) from None
    except OSError as error:
        raise _failed(f"{error.filename} can't be written: {error.strerror or error}") from None
    samples = sum(len(each.classes) for each in sets)
    if samples < calibration.FEW:
        typer.echo(f"warning: {samples} samples are few; below {calibration.FEW} the prior may well be better", err=True)
    typer.echo(f"{model}: calibrated on {samples} samples of {', '.join(content['measured_on'])}: {target}")


def _make(model: str, folder: Path, *, force: bool) -> None:
    try:
        made, is_new = prepare_model(model, folder, force=force)
        standing = _standing(folder, made)
    except ModelUnavailable as error:
        raise _failed(str(error)) from None
    except OSError as error:
        raise _failed(f"{folder} can't be written: {error.strerror or error}") from None
    typer.echo(
        f"{model}: {'prepared' if is_new else 'already prepared'} at {folder}\n"
        f"  revision {standing.revision}, {'calibrated' if standing.calibrated else 'not calibrated'}, "
        f"{standing.megabytes} MB, licence {standing.licence}"
    )


@dataclass(frozen=True)
class Standing:
    """What is known of a model in the cache. `fault`: why it can't be used, None where it can."""

    name: str
    model_id: str
    licence: str
    good_for: str
    folder: str
    prepared: bool
    revision: str | None = None
    calibrated: bool = False
    megabytes: int = 0
    fault: str | None = None


@app.command("list")
def list_models(
    check: Annotated[bool, typer.Option("--check", help="Hash every file of the prepared models.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """List the presets and what is prepared. Ends with 1 if a prepared model is broken."""
    standings = _standings(cache.expanduser(), check=check)
    if as_json:
        typer.echo(json.dumps([asdict(standing) for standing in standings], indent=2))
    else:
        _print_table(standings)
    for standing in standings:
        if standing.fault:
            typer.echo(standing.fault, err=True)
    if any(standing.fault for standing in standings):
        raise typer.Exit(1)


def _standings(cache: Path, *, check: bool) -> list[Standing]:
    folders = {name: cached_folder(name, cache) for name in registry.PRESETS}
    models = cache / "models"
    if models.is_dir():
        folders |= {path.name: path for path in sorted(models.iterdir()) if path.is_dir() and not path.name.startswith(".")}
    standings = []
    for name, folder in folders.items():
        if not folder.exists():
            preset = registry.PRESETS[name]
            standings.append(Standing(name, preset.source, preset.licence, preset.good_for, str(folder), prepared=False))
            continue
        try:
            standings.append(_standing(folder, artifact.read(folder, check_hashes=check)))
        except ModelUnavailable as error:
            standings.append(Standing(name, "", "", "", str(folder), prepared=False, fault=str(error)))
    return standings


def _standing(folder: Path, made: Artifact) -> Standing:
    preset = registry.PRESETS.get(folder.name)
    calibration = registry.read_calibration(folder)
    return Standing(
        name=folder.name,
        model_id=made.encoder.model_id,
        licence=made.encoder.licence,
        good_for=preset.good_for if preset else "",
        folder=str(folder),
        prepared=True,
        revision=made.encoder.revision,
        calibrated=calibration is not None and calibration.get("revision") == made.encoder.revision,
        megabytes=round(sum(facts.bytes for facts in made.files.values()) / 1e6),
    )


def _print_table(standings: list[Standing]) -> None:
    table = Table("model", "prepared", "revision", "calibrated", "MB", "licence")
    for it in standings:
        state = "broken" if it.fault else "yes" if it.prepared else "no"
        calibrated = "" if not it.prepared else "yes" if it.calibrated else "no"
        size = str(it.megabytes) if it.prepared else ""
        table.add_row(it.name, state, it.revision or "", calibrated, size, it.licence)
    Console().print(table)
    for preset in registry.PRESETS.values():
        typer.echo(f"{preset.name}: {preset.good_for}")


def _failed(message: str) -> typer.Exit:
    typer.echo(f"error: {message}", err=True)
    return typer.Exit(1)
