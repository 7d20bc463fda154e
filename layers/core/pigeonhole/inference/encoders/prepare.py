"""Prepare a model once: an artifact folder that is still good is used again, and torch isn't even imported."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pigeonhole.inference.encoders import artifact, registry, source
from pigeonhole.inference.encoders.artifact import Artifact, ModelUnavailable


def prepare(name: str, out: Path, *, force: bool = False) -> tuple[Artifact, bool]:
    """Make the artifact folder `out` of a preset, folder or Hugging Face id, unless it is there: (artifact, whether made now).

    What came from the hub is taken as unchanged without asking, so that a prepared model needs no network; `force` makes anew.
    Raises ModelUnavailable.
    """
    out = out.absolute()
    out.parent.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(out.parent):
        if not force and (ready := _ready(name, out)):
            return ready, False
        found = source.find(name)
        try:
            from pigeonhole.inference.encoders import export
        except ImportError as error:
            raise ModelUnavailable(f"preparing a model needs {error.name}: pip install -e '.[torch]'") from None
        return export.export(found, out), True


def _ready(name: str, out: Path) -> Artifact | None:
    """The artifact that is there, if it is whole and made of the same source; its calibration is brought up to date."""
    try:
        made = artifact.read(out, check_hashes=True)
    except ModelUnavailable:
        return None
    if made.reading != source.READING:
        return None
    if asked := source.hub_id(name):
        if (made.encoder.model_id, made.hub_revision) != asked:
            return None
        if name in registry.PRESETS:
            registry.copy_calibration((registry.repository_folder(name),), out, made.encoder.revision)
        return made
    found = source.find(name)
    if (made.encoder.model_id, made.encoder.revision) != (found.model_id, found.revision()):
        return None
    registry.copy_calibration(found.calibrations, out, made.encoder.revision)
    return made


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait for other processes that prepare models in `folder`; the lock goes with the process, however it ends."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
