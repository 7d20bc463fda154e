"""Metrics are those of the textbooks and of scikit-learn, and their intervals cover what they should."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
)

from pigeonhole_cli.evaluation import metrics
from pigeonhole_cli.evaluation.metrics import Scored


def single(truth: list[int], chosen: list[int], labels: int, probability: float | list[float] = 0.8) -> Scored:
    """Answers of one label each; what the answer leaves of the probability is spread over the other labels."""
    sure = np.broadcast_to(np.asarray(probability, dtype=float), len(truth))
    spread = np.repeat(((1 - sure) / max(labels - 1, 1))[:, None], labels, axis=1)
    spread[np.arange(len(truth)), chosen] = sure
    rows = [metrics.matrix([[each] for each in indices], labels) for indices in (truth, chosen)]
    return Scored(rows[0], rows[1], spread.astype(np.float32))


def several(truth: np.ndarray, probabilities: np.ndarray) -> Scored:
    return Scored(truth, probabilities >= 0.5, probabilities.astype(np.float32), multiple=True)


def values(task: Scored) -> dict[str, float]:
    return {name: each.value for name, each in metrics.estimate([task], resamples=2).overall.items()}


def test_a_case_computed_by_hand() -> None:
    # Class 0: 2 of 3 found. Class 1: 1 of 1. Class 2 never occurs, but is answered once.
    found = values(single([0, 0, 0, 1], [0, 0, 2, 1], labels=4))

    assert found["accuracy"] == pytest.approx(3 / 4)
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["macro_f1"] == pytest.approx((4 / 5 + 1 + 0) / 3)
    assert "micro_f1" not in found


def test_several_labels_by_hand() -> None:
    truth = np.array([[1, 1, 0], [0, 1, 0]], dtype=bool)
    found = values(several(truth, np.array([[0.9, 0.2, 0.1], [0.1, 0.9, 0.6]])))

    assert found["accuracy"] == 0  # one label is missing, one too many
    assert found["micro_f1"] == pytest.approx(2 * 2 / (3 + 3))
    assert found["macro_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    squares = [0.1, 0.8, 0.1, 0.1, 0.1, 0.6]
    assert found["brier"] == pytest.approx(sum(each**2 for each in squares) / 6)
    assert "balanced_accuracy" not in found


pairs = st.integers(2, 6).flatmap(
    lambda labels: st.tuples(
        st.just(labels),
        st.lists(st.tuples(st.integers(0, labels - 1), st.integers(0, labels - 1)), min_size=1, max_size=40),
    )
)


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.filterwarnings("ignore:A single label was found")
@settings(deadline=None, max_examples=50)
@given(pairs)
def test_one_label_is_measured_as_scikit_learn_does(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    labels, answers = drawn
    truth, chosen = [each for each, _ in answers], [each for _, each in answers]
    task = single(truth, chosen, labels)

    found, each = values(task), metrics.per_class(task)

    assert found["accuracy"] == pytest.approx(accuracy_score(truth, chosen))
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, chosen))
    assert found["macro_f1"] == pytest.approx(f1_score(truth, chosen, average="macro"))
    theirs = precision_recall_fscore_support(truth, chosen, labels=range(labels), zero_division=0)
    for ours, other in zip((each.precision, each.recall, each.f1, each.support), theirs, strict=True):
        assert ours.tolist() == pytest.approx(other.tolist())
    assert (metrics.confusion(task) == confusion_matrix(truth, chosen, labels=range(labels))).all()


def test_several_labels_are_measured_as_scikit_learn_does() -> None:
    random = np.random.default_rng(0)
    truth, probabilities = random.random((60, 5)) < 0.4, random.random((60, 5))

    found, chosen = values(several(truth, probabilities)), probabilities >= 0.5

    assert found["accuracy"] == pytest.approx(accuracy_score(truth, chosen))
    assert found["micro_f1"] == pytest.approx(f1_score(truth, chosen, average="micro"))
    assert found["macro_f1"] == pytest.approx(f1_score(truth, chosen, average="macro"))


def test_the_brier_score_is_scikit_learns() -> None:
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(3), 50)
    truth = random.integers(0, 3, 50)
    task = Scored(
        metrics.matrix([[int(each)] for each in truth], 3),
        metrics.matrix([[int(each)] for each in probabilities.argmax(axis=1)], 3),
        probabilities.astype(np.float32),
    )

    theirs = brier_score_loss(truth, probabilities, labels=[0, 1, 2], scale_by_half=False)
    assert values(task)["brier"] == pytest.approx(theirs, abs=1e-6)


def test_the_calibration_error_by_hand() -> None:
    # Three claims of 0.9, of which one is wrong; one of 0.5, which is right.
    task = single([0, 0, 0, 1], [0, 0, 1, 1], labels=2, probability=[0.9, 0.9, 0.9, 0.5])
    bins = metrics.reliability([task])

    assert values(task)["calibration_error"] == pytest.approx(3 / 4 * (0.9 - 2 / 3) + 1 / 4 * 0.5, abs=1e-6)
    assert bins.counts[[7, 13]].tolist() == [1, 3]
    assert bins.counts.sum() == 4
    assert bins.accuracy[13] == pytest.approx(2 / 3)
    assert bins.confidence[13] == pytest.approx(0.9)


def test_a_bin_holds_its_upper_edge_and_the_first_holds_0_too() -> None:
    truth = np.ones((1, 4), dtype=bool)
    task = several(truth, np.array([[0.0, 1.0, 0.1999, 0.2001]]))

    assert np.flatnonzero(metrics.reliability([task]).counts).tolist() == [0, 2, 3, 14]


def test_several_labels_are_calibrated_pair_by_pair() -> None:
    random = np.random.default_rng(0)
    probabilities = random.random((4_000, 5))
    honest = several(random.random((4_000, 5)) < probabilities, probabilities)
    boasting = several(np.zeros((4_000, 5), dtype=bool), probabilities)

    assert values(honest)["calibration_error"] < 0.02
    assert values(boasting)["calibration_error"] == pytest.approx(0.5, abs=0.01)


def test_the_interval_is_the_binomials_and_holds_the_value() -> None:
    right = [0] * 300 + [1] * 100
    found = metrics.estimate([single([0] * 400, right, labels=2)]).overall["accuracy"]

    deviation = (0.75 * 0.25 / 400) ** 0.5
    assert found.value == 0.75
    assert found.low == pytest.approx(0.75 - 1.96 * deviation, abs=0.006)
    assert found.high == pytest.approx(0.75 + 1.96 * deviation, abs=0.006)


def test_the_interval_is_the_same_each_time_however_many_resamples_are_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    task = single(random.integers(0, 5, 90).tolist(), random.integers(0, 5, 90).tolist(), labels=5)
    first = metrics.estimate([task])
    monkeypatch.setattr(metrics, "WEIGHTS_AT_ONCE", 1_000)

    assert metrics.estimate([task]) == first


def test_resampling_is_counting_items_anew() -> None:
    # Where the one item of class 1 isn't drawn, class 0 alone counts: no recall is 0 for want of items.
    found = metrics.estimate([single([0] * 30 + [1], [0] * 31, labels=2)]).overall["balanced_accuracy"]

    assert (found.value, found.low, found.high) == (0.5, 0.5, 1.0)


def test_a_suite_is_the_mean_of_its_tasks_with_items_drawn_inside_each() -> None:
    good, bad = single([0] * 50, [0] * 50, labels=2), single([0] * 50, [1] * 25 + [0] * 25, labels=2)
    found = metrics.estimate([good, bad])

    assert [task["accuracy"].value for task in found.tasks] == [1, 0.5]
    overall, alone = found.overall["accuracy"], found.tasks[1]["accuracy"]
    assert overall.value == 0.75
    # All that varies is the bad one's share, of which the mean has half.
    assert overall.high - overall.low == pytest.approx((alone.high - alone.low) / 2)


def test_a_metric_is_the_mean_over_the_tasks_that_have_it() -> None:
    one = single([0, 1], [0, 1], labels=2)
    many = several(np.array([[True, False]]), np.array([[0.2, 0.9]]))

    found = metrics.estimate([one, many], resamples=10).overall

    assert (found["balanced_accuracy"].value, found["micro_f1"].value, found["accuracy"].value) == (1, 0, 0.5)


def test_ten_thousand_items_take_a_few_seconds() -> None:
    random = np.random.default_rng(0)
    task = single(random.integers(0, 200, 10_000).tolist(), random.integers(0, 200, 10_000).tolist(), labels=200)

    started = time.process_time()
    metrics.estimate([task])

    assert time.process_time() - started < 10


def test_the_overall_calibration_error_is_that_of_all_claims_together() -> None:
    """A task of one sample is off by as much as its probability; a hundred of them needn't be."""
    one = [
        Scored(np.array([[right, not right]]), np.array([[True, False]]), np.array([[0.75, 0.25]], dtype=np.float32))
        for right in [True, True, True, False] * 25
    ]

    found = metrics.estimate(one, resamples=10)

    assert found.overall["calibration_error"].value == pytest.approx(0)
    assert {round(task["calibration_error"].value, 2) for task in found.tasks} == {0.25, 0.75}
