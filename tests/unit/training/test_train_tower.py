"""The correction learns labels and not the looks of sets, and the adapter learns small photos without forgetting the others."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt
import pytest
import torch

import train_tower
from photo_features import Example
from pigeonhole.inference.labels.hyponyms import Hyponyms
from pigeonhole.inference.scoring.log_odds import add_hyponyms
from train_tower import LabelledFeatures, compare, leave_out, train_adapter

pytestmark = pytest.mark.torch

Rows = npt.NDArray[np.float32]
FEATURES, DIM = 8, 4
LABELS = {"red": 0, "green": 1, "blue": 2, "grey": 3}


def embed(texts: list[str]) -> Rows:
    """Embed a text by the label that it holds: a unit vector of its own for each label."""
    rows = [np.eye(DIM, dtype=np.float32)[next(index for label, index in LABELS.items() if label in text)] for text in texts]
    return np.stack(rows)


def photos(name: str, labels: list[str], look: int, count: int = 30) -> tuple[Rows, list[Example]]:
    """Features of a set: the label in one of the first features, the look of the set, far stronger, in one of the last."""
    rng = np.random.default_rng(look)
    shown = [label for label in labels for _ in range(count)]
    features = 0.05 * rng.standard_normal((len(shown), FEATURES)).astype(np.float32)
    features[np.arange(len(shown)), [LABELS[label] for label in shown]] += 1
    features[:, look] += 5
    return features, [Example(name, label, "") for label in shown]


def join(*sets: tuple[Rows, list[Example]]) -> tuple[Rows, list[Example]]:
    return np.concatenate([features for features, _ in sets]), [example for _, examples in sets for example in examples]


def test_the_correction_tells_labels_apart_and_ignores_what_a_set_has_in_common() -> None:
    features, examples = join(photos("warm", ["red", "green"], look=4), photos("cold", ["blue", "grey"], look=5))
    correction = LabelledFeatures(features, examples, embed).fit_correction()

    # As a softmax over all classes would not: it would learn that the look of the first set means red or green.
    of_looks = np.linalg.norm(correction[4:6])
    for row, (right, wrong) in zip(np.eye(FEATURES)[:4], [(0, 1), (1, 0), (2, 3), (3, 2)], strict=True):
        change = row @ correction
        assert change[right] - change[wrong] > 0.5
        assert of_looks < 0.1 * np.linalg.norm(change)


def test_a_label_with_few_photos_weighs_as_much_as_one_with_many() -> None:
    many, few = photos("set", ["red"], look=4, count=200), photos("set", ["green"], look=4, count=10)
    features, examples = join(many, few)

    correction = LabelledFeatures(features, examples, embed).fit_correction()

    change = (features[-1] - features[0]) @ correction
    assert change[1] - change[0] > 0.5


def test_the_adapter_corrects_the_known_classes_and_keeps_other_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_tower, "BEST_CLASSES", 3)
    tiny = photos(train_tower.TINY, ["red", "green"], look=4)
    features, examples = join(tiny, photos("scenes", ["blue", "grey"], look=5))
    data = LabelledFeatures(features, examples, embed)
    known = np.array([LABELS[example.label] if example.set == train_tower.TINY else -1 for example in examples])
    logits = np.zeros((len(features), DIM), dtype=np.float32)  # The classifier knows nothing of these photos,
    logits[known < 0, 2] = 2.0  # and takes all others for one class.

    hyponyms = Hyponyms(np.eye(DIM, dtype=np.float32), {})

    adapter = train_adapter(data, logits, known, hyponyms, np.zeros((len(features), DIM), np.float32), steps=120, rate=3e-3)

    with torch.inference_mode():
        changed = torch.from_numpy(logits) + adapter(torch.from_numpy(features))
    right = (changed.argmax(dim=1).numpy() == known)[known >= 0]
    assert right.mean() > 0.95
    blue = [index for index, example in enumerate(examples) if example.label == "blue"]
    assert (changed[blue].argmax(dim=1) == 2).all()


def test_photos_are_compared_as_the_classifier_compares_them() -> None:
    rows = np.random.default_rng(0).standard_normal((12, DIM)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    vectors, labels, classes = rows[:3], rows[3:5], rows[5:]
    hyponyms = [np.array([0, 2, 3]), np.array([], dtype=np.int64)]

    cosines = compare(*map(torch.from_numpy, (vectors, labels, classes)), [torch.from_numpy(named) for named in hyponyms])

    expected = add_hyponyms(vectors @ labels.T, vectors @ classes.T, hyponyms)
    np.testing.assert_allclose(cosines.numpy(), expected, atol=1e-6)


def test_a_set_with_other_labels_has_photos_of_several_sets() -> None:
    features, examples = join(photos("warm", ["red"], look=4, count=3), photos("cold", ["blue", "grey"], look=5, count=2))
    data = LabelledFeatures(features, examples, embed)

    data.add_set("general", {"green": [0, 1, 3], "red": [4]}, embed)

    assert data.rows["general"] == {"green": [0, 1, 3], "red": [4]}
    np.testing.assert_array_equal(data.texts["general", "green"][0], embed(["green"])[0])


def test_generic_photos_are_drawn_of_every_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_tower, "GENERIC", 2)
    monkeypatch.setattr(train_tower, "MANY_GENERIC", 4)
    counts = {"scenes": 9, "food": 1, train_tower.TINY: 9}
    examples = [Example(name, "label", "") for name, count in counts.items() for _ in range(count)]

    drawn = train_tower.draw_generic(examples)

    assert Counter(examples[row].set for row in drawn) == {"scenes": 2, "food": 1, train_tower.TINY: 4}
    assert len(set(drawn)) == len(drawn)


def test_sets_are_left_out_by_patterns() -> None:
    features, examples = join(
        photos("scenes-1", ["red"], look=4, count=2),
        photos("scenes-2", ["green"], look=5, count=1),
        photos("food", ["blue"], look=6, count=3),
    )

    kept, described = leave_out(features, examples, ["scenes-*"])

    assert [example.set for example in described] == ["food"] * 3
    np.testing.assert_array_equal(kept, features[3:])
    assert leave_out(features, examples, [])[1] == examples
