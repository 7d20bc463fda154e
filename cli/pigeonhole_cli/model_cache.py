"""The folder of prepared models."""

from __future__ import annotations

import re
from pathlib import Path

from pigeonhole.inference.encoders import registry

DEFAULT_CACHE = Path("~/.cache/pigeonhole")


def cached_folder(model: str, cache: Path) -> Path:
    """Return the artifact folder of `model` in `cache`.

    The folder is named for the preset, or for the model's own name with unsafe characters replaced.
    """
    name = model if model in registry.PRESETS else re.sub(r"[^\w.-]+", "--", model).strip("-.")
    return cache.expanduser() / "models" / name
