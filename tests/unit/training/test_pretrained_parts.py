"""training/pretrained_parts.py reads the wordings of classes, embeds them, and fits the regression."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pretrained_parts import ImageNetClass, embed_classes, fit_regression, read_classes

pytestmark = pytest.mark.torch


def test_classes_are_read_in_the_order_of_the_synsets(tmp_path: Path) -> None:
    (tmp_path / "imagenet_synsets.txt").write_text("n2\nn1\n")
    (tmp_path / "imagenet_synset_to_lemma.txt").write_text("n1\ttench, Tinca tinca\nn2\tcat\nn3\tdog\n")
    (tmp_path / "imagenet_synset_to_definition.txt").write_text("n1\ta fish\nn2\ta feline\nn3\ta canine\n")

    classes = read_classes(tmp_path)

    assert classes == [ImageNetClass(("cat",), "a feline"), ImageNetClass(("tench", "Tinca tinca"), "a fish")]
    assert classes[1].wordings == [
        "tench, Tinca tinca",
        "tench",
        "Tinca tinca",
        "tench: a fish",
        "Tinca tinca: a fish",
        "a photo of a tench",
        "a photo of a Tinca tinca",
    ]


def test_a_class_has_the_unit_mean_of_its_wordings() -> None:
    classes = [ImageNetClass(("cat",), "a feline"), ImageNetClass(("tench", "Tinca tinca"), "a fish")]
    rng = np.random.default_rng(0)
    vectors = {wording: rng.normal(size=6).astype(np.float32) for cls in classes for wording in cls.wordings}

    embedded = embed_classes(lambda texts: np.stack([vectors[text] for text in texts]), classes)

    for row, cls in zip(embedded, classes, strict=True):
        mean = np.mean([vectors[wording] for wording in cls.wordings], axis=0)
        np.testing.assert_allclose(row, mean / np.linalg.norm(mean), atol=1e-6)


def test_the_regression_finds_a_linear_map() -> None:
    rng = np.random.default_rng(0)
    rows, matrix = rng.normal(size=(200, 12)).astype(np.float32), rng.normal(size=(12, 4)).astype(np.float32)

    fitted = fit_regression(rows + 3, rows @ matrix + 1, ridge=1e-6)

    directions = fitted / np.linalg.norm(fitted), matrix / np.linalg.norm(matrix)
    np.testing.assert_allclose(*directions, atol=1e-3)
