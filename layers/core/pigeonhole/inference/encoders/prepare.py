"""Prepare a model once. An artifact folder that is still valid is used again, without an import of torch."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pigeonhole.inference.encoders import artifact, registry, source
from pigeonhole.inference.encoders.artifact import ArtifactInfo, ModelUnavailable, Precision


def prepare(
    name: str,
    out: Path,
    *,
    sentence: str = registry.BUNDLED_SENTENCE,
    precision: Precision | None = None,
    photos: Path | None = None,
    force: bool = False,
    on_export: Callable[[], None] = lambda: None,
) -> tuple[ArtifactInfo, bool]:
    """Make the artifact folder of a model, unless there is a valid one.

    A prepared model of the Hugging Face hub counts as unchanged, so it needs no network.

    Args:
        name: A preset, a folder or a Hugging Face id.
        out: The artifact folder.
        sentence: The sentence encoder: a preset, a folder or a Hugging Face id.
        precision: The precision of the image tower. None keeps that of a valid folder, and makes a new one in the default of
            its kind.
        photos: A folder of photos for the calibration of int8, None for those of this repository. Photos always make the folder
            again.
        force: Make the folder again even if it is valid.
        on_export: Called before the export, which takes a while.

    Returns:
        The content of artifact.json, and whether the folder was made now.

    Raises:
        ModelUnavailable: The model can't be found, opened or exported.
    """
    out = out.absolute()
    out.parent.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(out.parent):
        # Photos ask for a calibration of their own.
        if not force and photos is None and (artifact_info := _find_valid(name, sentence, out, precision)):
            return artifact_info, False
        model_source = source.find_model(name, sentence)
        try:
            from pigeonhole.inference.encoders import export
        except ImportError as error:
            raise ModelUnavailable(f"preparing a model needs {error.name}: pip install -e '.[torch]'") from None
        on_export()
        return export.export_model(model_source, out, precision=precision, photos=photos), True


def _find_valid(name: str, sentence: str, out: Path, precision: Precision | None) -> ArtifactInfo | None:
    """Return the existing artifact if it is complete and made from the same models, and update its calibration."""
    try:
        artifact_info = artifact.read_info(out, check_hashes=True)
    except ModelUnavailable:
        return None
    encoder = artifact_info.encoder
    if precision and not artifact_info.is_made_for(precision):
        return None
    if artifact_info.reading != source.READING_VERSION or not _is_same_sentence(sentence, artifact_info):
        return None
    if hub_id := source.to_hub_id(name):
        if (encoder.model_id, artifact_info.hub_revision) != hub_id:
            return None
        if name in registry.PRESETS:
            registry.copy_calibration((registry.repository_folder(name),), out, encoder.revision)
        return artifact_info
    model_source = source.find_model(name)
    revision = model_source.compute_revision(artifact_info.sentence_digest)
    if (encoder.model_id, encoder.revision) != (model_source.model_id, revision):
        return None
    registry.copy_calibration(model_source.calibration_folders, out, encoder.revision)
    return artifact_info


def _is_same_sentence(sentence: str, artifact_info: ArtifactInfo) -> bool:
    if hub_id := source.to_hub_id(sentence, registry.SENTENCE_PRESETS):
        return (artifact_info.sentence.model_id, artifact_info.sentence_hub_revision) == hub_id
    sentence_source = source.find_sentence(sentence)
    made_from = artifact_info.sentence.model_id, artifact_info.sentence_digest
    return made_from == (sentence_source.model_id, sentence_source.digest)


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait for other processes that prepare models in `folder`. The lock ends with the process, even if it is killed."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
