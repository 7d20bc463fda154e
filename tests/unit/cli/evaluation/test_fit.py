"""A calibration's weights are the likeliest ones: known where they are simulated, scikit-learn's where it fits the same."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.linear_model import LogisticRegression

from pigeonhole_cli.evaluation.fit import Floats, balanced_logistic, conditional_logit

Episodes = tuple[Floats, npt.NDArray[np.bool_], npt.NDArray[np.int64]]

WEIGHTS = np.array([14.0, -3.0, 0.8])
SIZES = np.array([0.2, 0.4, 1.0])  # of the features: those of a cosine, of a background, of a bias that some labels lack
# scikit-learn without its own penalty; both have none to speak of.
UNPENALISED = 1e9


def episodes(count: int, labels: tuple[int, int], seed: int = 0) -> Episodes:
    """Simulate episodes of so many labels, chosen from as WEIGHTS say; what no label stands for is filled with rubbish."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((count, labels[1], len(WEIGHTS))) * SIZES
    present = np.arange(labels[1]) < rng.integers(labels[0], labels[1] + 1, count)[:, None]
    # The likeliest after Gumbel noise is drawn by the softmax (McFadden 1974).
    utilities = np.where(present, features @ WEIGHTS + rng.gumbel(size=present.shape), -np.inf)
    features[~present] = 1e3
    return features, present, utilities.argmax(axis=1)


def rows(count: int, seed: int = 0) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Simulate rows with a constant, true as a logistic regression says."""
    rng = np.random.default_rng(seed)
    features = np.column_stack([rng.normal(0.3, 0.1, count), rng.normal(0.5, 0.05, count), np.ones(count)])
    truth = rng.random(count) < 1 / (1 + np.exp(-(features @ np.array([20.0, -8.0, -3.5]))))
    return features, truth


def test_the_weights_that_episodes_of_ragged_sizes_were_drawn_by_are_found() -> None:
    found = conditional_logit(*episodes(20_000, (2, 9)))

    assert found == pytest.approx(WEIGHTS, rel=0.05)


def test_what_stands_beyond_an_episodes_labels_has_no_say() -> None:
    features, present, chosen = episodes(500, (2, 6))
    emptied = np.where(present[:, :, None], features, 0.0)
    padded = np.pad(emptied, ((0, 0), (0, 4), (0, 0)))

    found = conditional_logit(features, present, chosen)

    assert conditional_logit(emptied, present, chosen) == pytest.approx(found)
    assert conditional_logit(padded, np.pad(present, ((0, 0), (0, 4))), chosen) == pytest.approx(found)


def test_of_two_labels_the_choice_is_a_logistic_regression_on_their_difference() -> None:
    features, present, chosen = episodes(3_000, (2, 2))
    expected = LogisticRegression(C=UNPENALISED, fit_intercept=False, tol=1e-10)
    expected.fit((features[:, 1] - features[:, 0]) / SIZES, chosen)

    assert conditional_logit(features, present, chosen) == pytest.approx(expected.coef_[0] / SIZES, rel=0.01)


def test_an_alternative_without_features_is_the_zero_that_others_are_weighed_against() -> None:
    """Which makes a bias of what is constant for all others: "none of these" stands so."""
    features, truth = rows(5_000)
    against_nothing = np.stack([features, np.zeros_like(features)], axis=1)
    expected = LogisticRegression(C=UNPENALISED, tol=1e-10, max_iter=1_000).fit(features[:, :2], truth)

    found = conditional_logit(against_nothing, np.ones((5_000, 2), dtype=bool), np.where(truth, 0, 1))

    assert found == pytest.approx([*expected.coef_[0], *expected.intercept_], rel=0.05)


def test_both_sides_weigh_alike_as_scikit_learns_balanced_classes_do() -> None:
    features, truth = rows(5_000)
    assert 0.1 < truth.mean() < 0.4, "else nothing would have to be balanced"
    expected = LogisticRegression(C=UNPENALISED, class_weight="balanced", tol=1e-10, max_iter=1_000).fit(features[:, :2], truth)

    assert balanced_logistic(features, truth) == pytest.approx([*expected.coef_[0], *expected.intercept_], rel=0.05)


@pytest.mark.parametrize("times", [2, 10, 50])
def test_how_many_rows_are_wrong_for_each_that_is_right_makes_no_difference(times: int) -> None:
    """Labels are many and right ones few; a score is at even odds all the same."""
    features, truth = rows(400)
    more = np.concatenate([features[truth], *[features[~truth]] * times])
    more_truth = np.arange(len(more)) < truth.sum()

    even, uneven = balanced_logistic(features, truth), balanced_logistic(more, more_truth)

    # The rows' spread, which the slight ridge is measured in, does change.
    assert more @ uneven == pytest.approx(more @ even, abs=0.05)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_feature_that_is_always_zero_gets_no_weight_and_changes_no_other(place: int) -> None:
    """The background of a pair that has none, and the pictures' features of a data set of texts."""
    features, present, chosen = episodes(500, (2, 5))
    flat, truth = rows(500)

    logit = conditional_logit(np.insert(features, place, 0.0, axis=2), present, chosen)
    logistic = balanced_logistic(np.insert(flat, place, 0.0, axis=1), truth)

    assert logit[place] == 0
    assert logistic[place] == 0
    assert np.delete(logit, place) == pytest.approx(conditional_logit(features, present, chosen))
    assert np.delete(logistic, place) == pytest.approx(balanced_logistic(flat, truth))


@pytest.mark.parametrize("gap", [1e-3, 0.1, 1.0])
def test_what_is_told_apart_completely_gets_large_but_finite_weights(gap: float) -> None:
    truth = np.arange(200) % 2 == 0
    features = np.column_stack([np.where(truth, gap, -gap), np.ones(200)])
    pairs = np.stack([features, -features], axis=1)

    logistic = balanced_logistic(features, truth)
    logit = conditional_logit(pairs, np.ones((200, 2), dtype=bool), np.where(truth, 0, 1))

    for found in (logistic, logit):
        assert np.isfinite(found).all()
        assert 3 < found[0] * gap < 100, "sure of it, in logits"


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_the_unit_of_a_feature_makes_no_difference(size: float) -> None:
    features, present, chosen = episodes(500, (2, 5))
    flat, truth = rows(500)

    assert conditional_logit(features * size, present, chosen) * size == pytest.approx(
        conditional_logit(features, present, chosen)
    )
    assert balanced_logistic(flat * size, truth) * size == pytest.approx(balanced_logistic(flat, truth))


def test_features_that_say_nothing_get_hardly_any_weight() -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((20_000, 4, 2))

    found = conditional_logit(features, np.ones((20_000, 4), dtype=bool), rng.integers(0, 4, 20_000))

    assert np.abs(found).max() < 0.03
