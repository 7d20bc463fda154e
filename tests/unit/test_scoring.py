"""Scoring: calibrated log-odds, probabilities that add up, and an order that doesn't depend on company."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pigeonhole import scoring
from pigeonhole.encoders.fake_encoder import FakeEncoder
from pigeonhole.scoring import Line

log_odds = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 6), st.integers(2, 24)),
    elements=st.floats(-60, 60, width=32),
)


@given(log_odds)
def test_single_label_probabilities_sum_to_one(odds: scoring.Floats) -> None:
    np.testing.assert_allclose(scoring.softmax(odds).sum(axis=1), 1, atol=1e-5)


@given(log_odds, st.randoms(use_true_random=False))
def test_permuting_labels_permutes_scores(odds: scoring.Floats, random: object) -> None:
    order = list(range(odds.shape[1]))
    random.shuffle(order)  # type: ignore[attr-defined]
    for probabilities in (scoring.softmax, scoring.sigmoid):
        np.testing.assert_allclose(probabilities(odds[:, order]), probabilities(odds)[:, order], atol=1e-6)


@given(log_odds)
def test_a_samples_row_is_the_same_alone_and_in_a_batch(odds: scoring.Floats) -> None:
    together = scoring.softmax(odds)
    for index in range(len(odds)):
        np.testing.assert_array_equal(scoring.softmax(odds[index : index + 1])[0], together[index])


@given(log_odds)
def test_labels_are_ranked_by_probability(odds: scoring.Floats) -> None:
    for row in scoring.rank(scoring.sigmoid(odds), odds):
        assert sorted(label.index for label in row) == list(range(odds.shape[1]))
        assert [label.probability for label in row] == sorted((label.probability for label in row), reverse=True)


def test_equal_labels_keep_the_requests_order() -> None:
    even = np.full((1, 3), 0.5, dtype=np.float32)
    assert [label.index for label in scoring.rank(even, even)[0]] == [0, 1, 2]


def test_sigmoid_and_softmax_survive_extremes() -> None:
    extreme = np.array([[1e4, -1e4, 0.0]], dtype=np.float32)
    np.testing.assert_allclose(scoring.sigmoid(extreme), [[1, 0, 0.5]], atol=1e-6)
    np.testing.assert_allclose(scoring.softmax(extreme), [[1, 0, 0]], atol=1e-6)


def test_a_calibrated_pair_can_beat_a_higher_cosine() -> None:
    photo_to_word, photo_to_photo = Line(100, -22), Line(20, -13)
    # Photo to photo 0.6 is a poor match (below its midpoint of 0.65), photo to word 0.25 a good one.
    assert photo_to_word.log_odds(np.float32([0.25])) > photo_to_photo.log_odds(np.float32([0.60]))


def test_pooling_is_the_mean_of_the_modalities_that_are_there() -> None:
    words, pictures = np.float32([2.0, -1.0]), np.float32([4.0, 1.0])
    np.testing.assert_allclose(scoring.pool([words, pictures]), [3, 0])
    np.testing.assert_array_equal(scoring.pool([words]), words)


def test_the_unit_mean_has_length_one_even_of_opposites() -> None:
    rows = np.float32([[1, 0], [0, 1]])
    np.testing.assert_allclose(scoring.unit_mean(rows), [2**-0.5, 2**-0.5], atol=1e-6)
    np.testing.assert_allclose(scoring.unit_mean(np.float32([[1, 0], [-1, 0]])), [1, 0])


ranked = scoring.rank(np.float32([[0.2, 0.9, 0.6]]), np.zeros((1, 3), np.float32))[0]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"multiple": False, "threshold": 0.5, "top_k": None}, [1]),
        ({"multiple": True, "threshold": 0.5, "top_k": None}, [1, 2]),
        ({"multiple": True, "threshold": 0.9, "top_k": None}, [1]),
        ({"multiple": True, "threshold": 0.95, "top_k": None}, [1]),  # never empty
        ({"multiple": True, "threshold": 0.0, "top_k": 2}, [1, 2]),
        ({"multiple": True, "threshold": 0.0, "top_k": None}, [1, 2, 0]),
    ],
)
def test_choosing(options: dict[str, object], expected: list[int]) -> None:
    assert [label.index for label in scoring.choose(ranked, **options)] == expected  # type: ignore[arg-type]


def test_a_stored_calibration_replaces_the_prior_pair_by_pair() -> None:
    info = FakeEncoder().info
    stored = {"revision": info.revision, "pairs": {"image-text": {"scale": 40, "bias": -8}}, "threshold": 0.7}
    calibration = scoring.calibration_from(stored, info, info)
    assert calibration.measured
    assert calibration.lines["image", "text"] == Line(40, -8)
    assert calibration.lines["text", "text"] == scoring.prior(info, info).lines["text", "text"]
    assert calibration.threshold == 0.7


def test_without_a_calibration_the_prior_says_so() -> None:
    info = FakeEncoder().info
    calibration = scoring.calibration_from(None, info, info)
    assert not calibration.measured
    assert set(calibration.lines) == set(scoring.PAIRS)


def test_a_calibration_of_another_revision_is_refused() -> None:
    info = FakeEncoder().info
    with pytest.raises(ValueError, match="made for revision other"):
        scoring.calibration_from({"revision": "other", "pairs": {}}, info, info)
