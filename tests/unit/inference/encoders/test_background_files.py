"""The embedded background concepts are read as they were written, or refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pigeonhole.inference.encoders import background_files
from pigeonhole.inference.encoders.artifact import PHOTO_BACKGROUND, TEXT_BACKGROUND, TRAINED_CLASSES, ModelUnavailable
from pigeonhole.inference.encoders.base import BackgroundEmbeddings
from support.fake_encoder import FakeEncoder

BACKGROUND = BackgroundEmbeddings(np.eye(5, 4, dtype=np.float32), np.eye(3, 2, dtype=np.float32))
SENTENCE = FakeEncoder(dim=2).info


def test_embeddings_are_read_as_they_were_written(tmp_path: Path) -> None:
    background_files.write(tmp_path, BACKGROUND)

    background = background_files.read(tmp_path, dim=4, sentence=SENTENCE)

    np.testing.assert_array_equal(background.photos, BACKGROUND.photos)
    np.testing.assert_array_equal(background.texts, BACKGROUND.texts)


def test_the_trained_classes_are_optional(tmp_path: Path) -> None:
    background_files.write(tmp_path, BACKGROUND)
    assert background_files.read(tmp_path, dim=4, sentence=SENTENCE).trained_classes is None

    background_files.write(tmp_path, replace(BACKGROUND, trained_classes=np.eye(6, 4, dtype=np.float32)))
    np.testing.assert_array_equal(background_files.read(tmp_path, dim=4, sentence=SENTENCE).trained_classes, np.eye(6, 4))

    np.save(tmp_path / TRAINED_CLASSES, np.eye(6, 5, dtype=np.float32))
    with pytest.raises(ModelUnavailable, match=TRAINED_CLASSES):
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
