"""The folder of prepared models."""

from __future__ import annotations

import re
from pathlib import Path

from pigeonhole.inference.encoders import registry
from pigeonhole.inference.encoders.artifact import ModelUnavailable
from pigeonhole.inference.encoders.prepare import prepare

DEFAULT_CACHE = Path("~/.cache/pigeonhole")


def cached_folder(model: str, cache: Path) -> Path:
    """Return the artifact folder of `model` in `cache`.

    The folder is named for the preset, or for the model's own name with unsafe characters replaced.
    """
    name = model if model in registry.PRESETS else re.sub(r"[^\w.-]+", "--", model).strip("-.")
    return cache.expanduser() / "models" / name


def prepared_folder(model: str, cache: Path) -> Path:
    """Return the artifact folder of a prepared model, in `cache` or at the path `model`.

    The bundled model is prepared if necessary.

    Raises:
        ModelUnavailable: The model isn't prepared.
    """
    cached = cached_folder(model, cache)
    if model == registry.BUNDLED:
        prepare(model, cached)
    elif not cached.is_dir() and not Path(model).is_dir():
        raise ModelUnavailable(f"{model} isn't prepared and is no artifact folder: run `pigeonhole models prepare {model}`")
    return cached if cached.is_dir() else Path(model)
