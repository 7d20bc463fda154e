"""The fitted coefficients are the likeliest: those of simulated data, and those of scikit-learn for the same model."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.linear_model import LogisticRegression

from pigeonhole_cli.evaluation.calibration.fit import Floats, balanced_logistic, conditional_logit

Episodes = tuple[Floats, npt.NDArray[np.bool_], npt.NDArray[np.int64]]

COEFFICIENTS = np.array([14.0, -3.0, 0.8])
SIZES = np.array([0.2, 0.4, 1.0])  # of the features: a cosine, a background, and a bias that some labels lack
# Switches off scikit-learn's penalty. That of the fit is negligible.
UNPENALISED = 1e9


def episodes(count: int, labels: tuple[int, int], seed: int = 0) -> Episodes:
    """Simulate episodes whose right labels follow COEFFICIENTS. Entries without a label are filled with large numbers."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((count, labels[1], len(COEFFICIENTS))) * SIZES
    present = np.arange(labels[1]) < rng.integers(labels[0], labels[1] + 1, count)[:, None]
    # The maximum after adding Gumbel noise is distributed as the softmax (McFadden 1974).
    utilities = np.where(present, features @ COEFFICIENTS + rng.gumbel(size=present.shape), -np.inf)
    features[~present] = 1e3
    return features, present, utilities.argmax(axis=1)


def rows(count: int, seed: int = 0) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Simulate rows with a constant feature whose truth follows a logistic regression."""
    rng = np.random.default_rng(seed)
    features = np.column_stack([rng.normal(0.3, 0.1, count), rng.normal(0.5, 0.05, count), np.ones(count)])
    truth = rng.random(count) < 1 / (1 + np.exp(-(features @ np.array([20.0, -8.0, -3.5]))))
    return features, truth


def test_the_coefficients_of_simulated_episodes_are_found() -> None:
    fitted = conditional_logit(*episodes(20_000, (2, 9)))

    assert fitted == pytest.approx(COEFFICIENTS, rel=0.05)


def test_entries_without_a_label_are_ignored() -> None:
    features, present, chosen = episodes(500, (2, 6))
    emptied = np.where(present[:, :, None], features, 0.0)
    padded = np.pad(emptied, ((0, 0), (0, 4), (0, 0)))

    fitted = conditional_logit(features, present, chosen)

    assert conditional_logit(emptied, present, chosen) == pytest.approx(fitted)
    assert conditional_logit(padded, np.pad(present, ((0, 0), (0, 4))), chosen) == pytest.approx(fitted)


def test_with_two_labels_the_fit_is_a_logistic_regression_on_their_difference() -> None:
    features, present, chosen = episodes(3_000, (2, 2))
    expected = LogisticRegression(C=UNPENALISED, fit_intercept=False, tol=1e-10)
    expected.fit((features[:, 1] - features[:, 0]) / SIZES, chosen)

    assert conditional_logit(features, present, chosen) == pytest.approx(expected.coef_[0] / SIZES, rel=0.01)


def test_an_alternative_without_features_has_log_odds_of_zero() -> None:
    """The constant feature of the others is then their bias. "None of these" is such an alternative."""
    features, truth = rows(5_000)
    against_nothing = np.stack([features, np.zeros_like(features)], axis=1)
    expected = LogisticRegression(C=UNPENALISED, tol=1e-10, max_iter=1_000).fit(features[:, :2], truth)

    fitted = conditional_logit(against_nothing, np.ones((5_000, 2), dtype=bool), np.where(truth, 0, 1))

    assert fitted == pytest.approx([*expected.coef_[0], *expected.intercept_], rel=0.05)


def test_balanced_logistic_equals_scikit_learns_balanced_classes() -> None:
    features, truth = rows(5_000)
    assert 0.1 < truth.mean() < 0.4, "the classes must be unbalanced"
    expected = LogisticRegression(C=UNPENALISED, class_weight="balanced", tol=1e-10, max_iter=1_000).fit(features[:, :2], truth)

    assert balanced_logistic(features, truth) == pytest.approx([*expected.coef_[0], *expected.intercept_], rel=0.05)


@pytest.mark.parametrize("times", [2, 10, 50])
def test_the_number_of_wrong_rows_makes_no_difference(times: int) -> None:
    """Most labels are wrong, but the fitted scores are at even odds."""
    features, truth = rows(400)
    more = np.concatenate([features[truth], *[features[~truth]] * times])
    more_truth = np.arange(len(more)) < truth.sum()

    even, uneven = balanced_logistic(features, truth), balanced_logistic(more, more_truth)

    # The rows' scale changes slightly, and with it the small penalty.
    assert more @ uneven == pytest.approx(more @ even, abs=0.05)


@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_feature_that_is_always_zero_gets_the_coefficient_zero(column: int) -> None:
    """Such features are the background of a pair without one, and the image features of a data set of texts."""
    features, present, chosen = episodes(500, (2, 5))
    row_features, truth = rows(500)

    logit = conditional_logit(np.insert(features, column, 0.0, axis=2), present, chosen)
    logistic = balanced_logistic(np.insert(row_features, column, 0.0, axis=1), truth)

    assert logit[column] == 0
    assert logistic[column] == 0
    assert np.delete(logit, column) == pytest.approx(conditional_logit(features, present, chosen))
    assert np.delete(logistic, column) == pytest.approx(balanced_logistic(row_features, truth))


@pytest.mark.parametrize("gap", [1e-3, 0.1, 1.0])
def test_complete_separation_gives_large_but_finite_coefficients(gap: float) -> None:
    truth = np.arange(200) % 2 == 0
    features = np.column_stack([np.where(truth, gap, -gap), np.ones(200)])
    pairs = np.stack([features, -features], axis=1)

    logistic = balanced_logistic(features, truth)
    logit = conditional_logit(pairs, np.ones((200, 2), dtype=bool), np.where(truth, 0, 1))

    for coefficients in (logistic, logit):
        assert np.isfinite(coefficients).all()
        assert 3 < coefficients[0] * gap < 100, "a certain answer, in logits"


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_the_unit_of_a_feature_makes_no_difference(size: float) -> None:
    features, present, chosen = episodes(500, (2, 5))
    row_features, truth = rows(500)

    assert conditional_logit(features * size, present, chosen) * size == pytest.approx(
        conditional_logit(features, present, chosen)
    )
    assert balanced_logistic(row_features * size, truth) * size == pytest.approx(balanced_logistic(row_features, truth))


def test_random_features_get_small_coefficients() -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((20_000, 4, 2))

    fitted = conditional_logit(features, np.ones((20_000, 4), dtype=bool), rng.integers(0, 4, 20_000))

    assert np.abs(fitted).max() < 0.03
