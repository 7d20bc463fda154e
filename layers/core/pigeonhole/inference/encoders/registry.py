"""Models by name: presets to choose from, and the way to load what was prepared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pigeonhole.inference.encoders import artifact
from pigeonhole.inference.encoders.base import BackgroundEmbeddings, Encoder


@dataclass(frozen=True)
class Preset:
    """A model known to work. `source`: a Hugging Face id, or for a bundled model its folder's name; `revision`: of the hub."""

    name: str
    source: str
    revision: str | None
    licence: str
    good_for: str


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            name="tiny",
            source="tiny",
            revision=None,
            licence="Apache-2.0",
            good_for="bundled, works offline: trying things out, tests, everyday objects, English texts",
        ),
        Preset(
            name="clip-b32",
            source="laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
            revision="main",
            licence="MIT",
            good_for="the default on AWS: English, 66.6 % zero-shot on ImageNet, fast on a CPU",
        ),
        Preset(
            name="siglip2-b16",
            source="google/siglip2-base-patch16-224",
            revision="main",
            licence="Apache-2.0",
            good_for="many languages and higher quality: 78.2 % zero-shot on ImageNet, 4 times the patches of clip-b32",
        ),
    )
}
BUNDLED = "tiny"


def repository_folder(preset: str) -> Path:
    """What the repository that this package runs from has of a preset: the bundled model, calibrations of others."""
    return Path(__file__).resolve().parents[5] / "models" / preset


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory. `calibration`: calibration.json's content, None where the folder has none."""

    encoder: Encoder
    sentence: Encoder
    background: BackgroundEmbeddings
    calibration: dict[str, Any] | None


def load(model_dir: Path, *, threads: int = 1) -> LoadedModel:
    """Load an artifact folder into ONNX Runtime. `threads`: of each run.

    Raises ModelUnavailable for a folder that is missing, incomplete or broken.
    """
    from pigeonhole.inference.encoders import background_files, onnx_encoder

    manifest = artifact.read(model_dir)
    encoder, sentence = onnx_encoder.load(model_dir, manifest, threads=threads)
    background = background_files.read(model_dir, encoder.info.dim, sentence.info.dim)
    return LoadedModel(encoder, sentence, background, read_calibration(model_dir))


def read_calibration(folder: Path) -> dict[str, Any] | None:
    """Read a folder's calibration.json; None where it has none.

    Raises ModelUnavailable for one that isn't a JSON object.
    """
    path = folder / artifact.CALIBRATION
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise artifact.broken(folder, f"{artifact.CALIBRATION} isn't a JSON object")
    return content


def copy_calibration(origins: Sequence[Path], folder: Path, revision: str) -> None:
    """Copy calibration.json into an artifact folder from the first of `origins` that has one for `revision`.

    One for another revision would be refused by whoever reads it: none is better, and `models list` says that there is none.
    One that the folder has for this revision stays: it may be its user's own (`pigeonhole models calibrate`).
    """
    if (read_calibration(folder) or {}).get("revision") == revision:
        return
    for origin in origins:
        calibration = read_calibration(origin)
        if calibration is not None and calibration.get("revision") == revision:
            partial = folder / f"{artifact.CALIBRATION}.partial"
            partial.write_bytes((origin / artifact.CALIBRATION).read_bytes())
            partial.replace(folder / artifact.CALIBRATION)
            return
