"""The embedded background concepts are read as they were written, or refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pigeonhole.inference.encoders import background_files
from pigeonhole.inference.encoders.artifact import (
    GENERIC_PHOTOS,
    HYPONYMS,
    PHOTO_BACKGROUND,
    TEXT_BACKGROUND,
    TRAINED_CLASSES,
    ModelUnavailable,
)
from pigeonhole.inference.encoders.base import BackgroundEmbeddings
from pigeonhole.inference.labels.hyponyms import Hyponyms
from support.fake_encoder import FakeEncoder

BACKGROUND = BackgroundEmbeddings(np.eye(5, 4, dtype=np.float32), np.eye(3, 2, dtype=np.float32))
SENTENCE = FakeEncoder(dim=2).info


def test_embeddings_are_read_as_they_were_written(tmp_path: Path) -> None:
    background_files.write(tmp_path, BACKGROUND)

    background = background_files.read(tmp_path, dim=4, sentence=SENTENCE)

    np.testing.assert_array_equal(background.photos, BACKGROUND.photos)
    np.testing.assert_array_equal(background.texts, BACKGROUND.texts)


def test_generic_photos_and_hyponyms_are_optional(tmp_path: Path) -> None:
    background_files.write(tmp_path, BACKGROUND)
    background = background_files.read(tmp_path, dim=4, sentence=SENTENCE)
    assert background.generic_photos is None
    assert background.hyponyms is None

    classes, photos = np.eye(6, 4, dtype=np.float32), np.eye(3, 4, dtype=np.float32)
    background_files.write(tmp_path, replace(BACKGROUND, generic_photos=photos, hyponyms=Hyponyms(classes, {"animal": [0, 2]})))
    background = background_files.read(tmp_path, dim=4, sentence=SENTENCE)

    assert background.generic_photos is not None
    np.testing.assert_array_equal(background.generic_photos, photos)
    assert background.hyponyms is not None
    np.testing.assert_array_equal(background.hyponyms.classes, classes)
    assert background.hyponyms.find(["animal"]) == [0, 2]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (GENERIC_PHOTOS, b"no array"),
        (TRAINED_CLASSES, b"no array"),
        (HYPONYMS, b"no JSON"),
        (HYPONYMS, b"[1]"),
        (HYPONYMS, b'{"animal": [6]}'),
        (HYPONYMS, b'{"animal": []}'),
    ],
)
def test_broken_generic_photos_and_hyponyms_are_refused(name: str, content: bytes, tmp_path: Path) -> None:
    classes = np.eye(6, 4, dtype=np.float32)
    whole = replace(BACKGROUND, generic_photos=classes, hyponyms=Hyponyms(classes, {"animal": [0, 2]}))
    background_files.write(tmp_path, whole)
    (tmp_path / name).write_bytes(content)

    with pytest.raises(ModelUnavailable, match=name):
        background_files.read(tmp_path, dim=4, sentence=SENTENCE)


@pytest.mark.parametrize("name", [PHOTO_BACKGROUND, TEXT_BACKGROUND])
def test_a_broken_file_or_one_of_another_model_is_refused(name: str, tmp_path: Path) -> None:
    background_files.write(tmp_path, BACKGROUND)
    np.save(tmp_path / name, np.eye(5, 7, dtype=np.float32))
    with pytest.raises(ModelUnavailable, match=name):
        background_files.read(tmp_path, dim=4, sentence=SENTENCE)

    (tmp_path / name).write_bytes(b"no array")
    with pytest.raises(ModelUnavailable, match=name):
        background_files.read(tmp_path, dim=4, sentence=SENTENCE)


def test_only_a_cross_encoder_has_no_generic_texts(tmp_path: Path) -> None:
    background_files.write(tmp_path, BackgroundEmbeddings(np.eye(3, 4, dtype=np.float32), np.zeros((0, 2), dtype=np.float32)))

    with pytest.raises(ModelUnavailable, match="background_texts"):
        background_files.read(tmp_path, dim=4, sentence=SENTENCE)
    assert len(background_files.read(tmp_path, dim=4, sentence=replace(SENTENCE, reads_pairs=True)).texts) == 0
