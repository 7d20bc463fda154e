"""Photos are compared with labels beside generic photos, and with general words by what these name."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from pigeonhole.inference.encoders.base import BackgroundEmbeddings
from pigeonhole.inference.labels.hyponyms import Hyponyms
from pigeonhole.inference.photo_comparison import LabelEmbedding, PhotoComparison
from pigeonhole.inference.scoring.log_odds import HYPONYM_PRIOR, PHOTO_SCALE

Rows = npt.NDArray[np.float32]
AXES = np.eye(6, dtype=np.float32)
GENERIC = np.float32([[0.6, 0.8, 0, 0, 0, 0], [0, 0.6, 0.8, 0, 0, 0], [0, 0, 1, 0, 0, 0]])


def soft_mean(cosines: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """The mean that log_odds.soft_mean documents, by its formula."""
    weights = weights or [1 / len(cosines)] * len(cosines)
    powers = [weight * math.exp(PHOTO_SCALE * cosine) for weight, cosine in zip(weights, cosines, strict=True)]
    return math.log(sum(powers)) / PHOTO_SCALE


def comparison(*, background: Rows = AXES, generic: Rows | None = None, hyponyms: Hyponyms | None = None) -> PhotoComparison:
    return PhotoComparison(BackgroundEmbeddings(background, background, generic, hyponyms), 20.0)


def label(vector: Rows, *hyponyms: int) -> LabelEmbedding:
    return LabelEmbedding(vector, np.array(hyponyms, dtype=np.intp))


def random_rows(count: int, *, seed: int) -> Rows:
    vectors = np.random.default_rng(seed).standard_normal((count, 16))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def test_the_hubness_of_a_label_is_its_soft_mean_cosine_with_generic_photos() -> None:
    labels = [label(AXES[0]), label(AXES[1]), label(AXES[5])]

    evidence = comparison(generic=GENERIC).compare(AXES[:2], labels)

    np.testing.assert_allclose(evidence.hubness, [soft_mean([0.6, 0, 0]), soft_mean([0.8, 0.6, 0]), 0], atol=1e-6)
    np.testing.assert_allclose(evidence.cosines, [[1, 0, 0], [0, 1, 0]])
    assert comparison().compare(AXES[:2], labels).hubness.tolist() == [0, 0, 0]


def test_a_general_word_counts_by_its_text_and_by_its_hyponyms() -> None:
    words = Hyponyms(AXES[1:], {"animal": [0, 1, 2]})
    samples = np.float32([[0.6, 0, 0, 0.8, 0, 0], [0, 0, 0, 0, 1, 0]])

    evidence = comparison(generic=GENERIC, hyponyms=words).compare(samples, [label(AXES[0], 0, 1, 2), label(AXES[4])])

    weights = [HYPONYM_PRIOR / (HYPONYM_PRIOR + 3), 3 / (HYPONYM_PRIOR + 3)]
    of_hyponyms = soft_mean([0, 0, 0.8])
    np.testing.assert_allclose(evidence.cosines, [[soft_mean([0.6, of_hyponyms], weights), 0], [0, 1]], atol=1e-6)
    assert 0.65 < evidence.cosines[0, 0] < 0.8
    per_photo = [soft_mean([photo[0], soft_mean(photo[1:4].tolist())], weights) for photo in GENERIC]
    np.testing.assert_allclose(evidence.hubness, [soft_mean(per_photo), 0], atol=1e-6)


def test_hyponyms_change_the_evidence_of_their_own_label_only() -> None:
    samples, labels, background = random_rows(5, seed=1), random_rows(2, seed=2), random_rows(100, seed=3)
    photos = comparison(
        background=background, generic=random_rows(7, seed=4), hyponyms=Hyponyms(random_rows(6, seed=5), {"animal": [0, 3]})
    )

    without = photos.compare(samples, [label(labels[0]), label(labels[1])])
    beside = photos.compare(samples, [label(labels[0]), label(labels[1], 0, 3)])

    np.testing.assert_array_equal(without.cosines[:, 0], beside.cosines[:, 0])
    np.testing.assert_array_equal(without.background, beside.background)
    assert without.hubness[0] == beside.hubness[0]
    assert without.hubness[1] != beside.hubness[1]
    assert (without.cosines[:, 1] != beside.cosines[:, 1]).all()


def test_the_hubness_of_a_general_word_is_the_same_whatever_words_came_before() -> None:
    samples, vectors, generic = random_rows(1, seed=1), random_rows(3, seed=2), random_rows(7, seed=4)
    words = Hyponyms(random_rows(6, seed=5), {})
    labels = [label(vectors[0], 0, 3), label(vectors[1], 3, 5), label(vectors[2])]
    photos, fresh = (comparison(background=random_rows(9, seed=3), generic=generic, hyponyms=words) for _ in range(2))

    for one in labels:
        photos.compare(samples, [one])

    np.testing.assert_allclose(photos.compare(samples, labels).hubness, fresh.compare(samples, labels).hubness, atol=1e-6)
    assert np.isfinite(fresh.compare(samples, labels).hubness).all()


@pytest.mark.parametrize(("text", "found"), [("an animal", [0, 2]), ("animals", [0, 2]), ("cat", [])])
def test_the_hyponyms_of_a_label_are_found_if_the_model_has_any(text: str, found: list[int]) -> None:
    words = Hyponyms(AXES, {"animal": [0, 2]})

    assert comparison(hyponyms=words).find_hyponyms([text]).tolist() == found
    assert comparison().find_hyponyms([text]).tolist() == []
