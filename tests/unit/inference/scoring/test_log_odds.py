"""Log-odds become probabilities and ranked labels, and no sample's row depends on the others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pigeonhole.inference.scoring import log_odds
from pigeonhole.inference.scoring.calibration import Floats

odds_matrices = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 6), st.integers(2, 24)),
    elements=st.floats(-60, 60, width=32),
)


@settings(deadline=None)  # the machine may be busy
@given(odds_matrices)
def test_single_label_probabilities_sum_to_one(odds: Floats) -> None:
    np.testing.assert_allclose(log_odds.softmax(odds).sum(axis=1), 1, atol=1e-5)


@settings(deadline=None)  # the machine may be busy
@given(odds_matrices, st.randoms(use_true_random=False))
def test_permuting_labels_permutes_scores(odds: Floats, random: object) -> None:
    order = list(range(odds.shape[1]))
    random.shuffle(order)  # type: ignore[attr-defined]
    for probabilities in (log_odds.softmax, log_odds.sigmoid):
        np.testing.assert_allclose(probabilities(odds[:, order]), probabilities(odds)[:, order], atol=1e-6)


@settings(deadline=None)  # the machine may be busy
@given(odds_matrices)
def test_a_samples_row_does_not_depend_on_its_batch(odds: Floats) -> None:
    together = log_odds.softmax(odds)
    for index in range(len(odds)):
        np.testing.assert_array_equal(log_odds.softmax(odds[index : index + 1])[0], together[index])


@settings(deadline=None)  # the machine may be busy
@given(odds_matrices)
def test_labels_are_ranked_by_probability(odds: Floats) -> None:
    for row in log_odds.rank(log_odds.sigmoid(odds), odds):
        assert sorted(label.index for label in row) == list(range(odds.shape[1]))
        assert [label.probability for label in row] == sorted((label.probability for label in row), reverse=True)


def test_labels_of_equal_probability_keep_the_order_of_the_request() -> None:
    even = np.full((1, 3), 0.5, dtype=np.float32)
    assert [label.index for label in log_odds.rank(even, even)[0]] == [0, 1, 2]


def test_sigmoid_and_softmax_are_exact_for_extreme_log_odds() -> None:
    extreme = np.array([[1e4, -1e4, 0.0]], dtype=np.float32)
    np.testing.assert_allclose(log_odds.sigmoid(extreme), [[1, 0, 0.5]], atol=1e-6)
    np.testing.assert_allclose(log_odds.softmax(extreme), [[1, 0, 0]], atol=1e-6)


def test_the_log_odds_of_a_label_are_the_mean_of_its_parts() -> None:
    words, images = np.float32([2.0, -1.0]), np.float32([4.0, 1.0])
    np.testing.assert_allclose(log_odds.mean_log_odds([words, images]), [3, 0])
    np.testing.assert_array_equal(log_odds.mean_log_odds([words]), words)


def test_the_unit_mean_has_length_one_even_for_opposite_embeddings() -> None:
    rows = np.float32([[1, 0], [0, 1]])
    np.testing.assert_allclose(log_odds.unit_mean(rows), [2**-0.5, 2**-0.5], atol=1e-6)
    np.testing.assert_allclose(log_odds.unit_mean(np.float32([[1, 0], [-1, 0]])), [1, 0])


RANKED = log_odds.rank(np.float32([[0.2, 0.9, 0.6]]), np.zeros((1, 3), np.float32))[0]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"multiple": False, "threshold": 0.5, "top_k": None}, [1]),
        ({"multiple": False, "threshold": 0.95, "top_k": None}, []),
        ({"multiple": True, "threshold": 0.5, "top_k": None}, [1, 2]),
        ({"multiple": True, "threshold": 0.9, "top_k": None}, [1]),
        ({"multiple": True, "threshold": 0.95, "top_k": None}, [1]),  # never empty
        ({"multiple": True, "threshold": 0.0, "top_k": 2}, [1, 2]),
        ({"multiple": True, "threshold": 0.0, "top_k": None}, [1, 2, 0]),
    ],
)
def test_the_best_labels_above_the_threshold_are_chosen(options: dict[str, object], expected: list[int]) -> None:
    assert [label.index for label in log_odds.choose(RANKED, **options)] == expected  # type: ignore[arg-type]


def test_none_of_these_is_chosen_only_if_no_other_label_reaches_the_threshold() -> None:
    row = log_odds.rank(np.float32([[0.6, 0.7, 0.3]]), np.zeros((1, 3), np.float32))[0]
    assert [label.index for label in log_odds.choose(row, multiple=True, threshold=0.5, top_k=None, none={1})] == [0]
    assert [label.index for label in log_odds.choose(row, multiple=True, threshold=0.9, top_k=None, none={1})] == [1]
    assert [label.index for label in log_odds.choose(row, multiple=True, threshold=0.2, top_k=1, none={1})] == [0]
    assert [label.index for label in log_odds.choose(row, multiple=False, threshold=0.2, top_k=None, none={1})] == [1]


odds_of_label = arrays.arrays(np.float32, st.integers(1, 6), elements=st.floats(-60, 60, width=32))


@settings(deadline=None)  # the machine may be busy
@given(odds_of_label)
def test_the_probabilities_of_a_label_and_its_negation_sum_to_one(odds: Floats) -> None:
    against = log_odds.negated_log_odds(odds, among_labels=True, multiple=False)
    probabilities = log_odds.softmax(np.stack([odds, against], axis=1))
    np.testing.assert_allclose(probabilities[:, 0], log_odds.sigmoid(odds), atol=1e-6)


@settings(deadline=None)  # the machine may be busy
@given(odds_of_label)
def test_a_negation_without_its_label_is_near_zero_unless_it_is_wrong(odds: Floats) -> None:
    alone = log_odds.negated_log_odds(odds, among_labels=False, multiple=False)
    assert (alone <= 0).all()
    np.testing.assert_allclose(alone[odds < -10], 0, atol=1e-4)
    np.testing.assert_allclose(alone[odds > 20], -odds[odds > 20], rtol=1e-5)


@settings(deadline=None)  # the machine may be busy
@given(odds_of_label)
def test_the_probability_of_a_negation_is_the_complement_for_several_labels(odds: Floats) -> None:
    against = log_odds.negated_log_odds(odds, among_labels=False, multiple=True)
    np.testing.assert_allclose(log_odds.sigmoid(against), 1 - log_odds.sigmoid(odds), atol=1e-6)


def test_none_of_these_is_zero_or_for_several_labels_the_complement_of_the_best() -> None:
    columns = [np.float32([3, -2]), np.float32([-1, -4])]
    np.testing.assert_array_equal(log_odds.none_log_odds(columns, [], 2, multiple=False), [0, 0])
    np.testing.assert_array_equal(log_odds.none_log_odds(columns, [], 2, multiple=True), [-3, 2])
    np.testing.assert_array_equal(log_odds.none_log_odds([], [], 2, multiple=True), [0, 0])


def test_none_of_these_also_says_that_a_negation_is_wrong() -> None:
    zeros = np.zeros(2, dtype=np.float32)
    odds = log_odds.none_log_odds([], [(zeros, np.float32([9, -9])), (zeros, np.float32([20, 20]))], 2, multiple=False)
    np.testing.assert_allclose(odds, [0, -9], atol=1e-3)


@settings(deadline=None)  # the machine may be busy
@given(odds_of_label, st.floats(-30, 30))
def test_a_label_and_its_negation_move_together_to_the_log_odds_of_their_topic(odds: Floats, denial: float) -> None:
    denials = np.full_like(odds, denial)
    shift = log_odds.topic_shift(odds, denials)
    against = log_odds.negated_log_odds(odds, among_labels=True, multiple=False) + shift
    likelier = np.maximum(odds, denials)
    topic = np.where(likelier >= 0, likelier, np.minimum(0, likelier + np.log(2)))
    np.testing.assert_allclose(np.logaddexp(odds + shift, against), topic, rtol=1e-4, atol=1e-4)


def test_the_background_value_is_the_log_sum_of_the_concepts_that_are_not_left_out() -> None:
    cosines = np.float32([[0.1, 0.3, 0.2], [0.0, 0.0, 0.0]])
    left_out = np.array([[False, True, False], [False, False, False]])
    values = log_odds.background_value(cosines, left_out, 10.0)
    np.testing.assert_allclose(values[0], [np.log(np.e**1 + np.e**2) / 10, np.log(np.e**1 + np.e**3 + np.e**2) / 10], atol=1e-6)
    np.testing.assert_allclose(values[1], [np.log(2) / 10, np.log(3) / 10], atol=1e-6)


def test_concepts_near_a_label_are_left_out_for_that_label_only() -> None:
    concepts = np.eye(100, dtype=np.float32)
    labels = np.float32([concepts[3], concepts[7]])
    left_out = log_odds.nearest_to_each(labels @ concepts.T)
    assert left_out[:, [3, 7]].tolist() == [[True, False], [False, True]]
    assert left_out.sum(axis=1).tolist() == [2, 2]  # 2 % of 100


def random_rows(count: int, *, seed: int) -> Floats:
    vectors = np.random.default_rng(seed).standard_normal((count, 16))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def test_evidence_holds_cosines_background_and_for_texts_hubness() -> None:
    rows = np.eye(60, dtype=np.float32)
    evidence = log_odds.compute_evidence(rows[:3], rows[:2], rows, 20.0, texts=rows[:4])
    np.testing.assert_array_equal(evidence.cosines, rows[:3] @ rows[:2].T)
    assert evidence.background.shape == (3, 2)
    np.testing.assert_allclose(evidence.hubness, [0.25, 0.25])
    assert log_odds.compute_evidence(rows[:3], rows[:2], rows, 20.0).hubness.tolist() == [0, 0]


def test_no_soft_mean_lies_beyond_the_highest_cosine() -> None:
    """A cosine stays a cosine, also where all are 1 or far apart."""
    assert log_odds.soft_mean(np.float32([[1, 1, 1], [-1, -1, -1], [1, -1, 0]]), axis=1).max() <= 1
    np.testing.assert_allclose(log_odds.soft_mean(np.float32([0.25, 0.25]), axis=0), 0.25, atol=1e-7)


def test_each_label_has_a_background_that_no_other_label_changes() -> None:
    samples, labels, concepts = random_rows(5, seed=1), random_rows(4, seed=2), random_rows(100, seed=3)

    together = log_odds.compute_evidence(samples, labels, concepts, 20.0)

    for k in range(4):
        alone = log_odds.compute_evidence(samples, labels[k : k + 1], concepts, 20.0)
        np.testing.assert_allclose(together.background[:, k], alone.background[:, 0], rtol=1e-5)
