"""Metrics equal those of textbooks and of scikit-learn, and their intervals have the right width."""

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
    f1_score,
)

from pigeonhole_cli.evaluation import metrics
from pigeonhole_cli.evaluation.breakdowns import measure_reliability
from pigeonhole_cli.evaluation.metrics import Scored
from support.cli.scored_answers import several_labels, single_label


def values(task: Scored) -> dict[str, float]:
    return {name: estimate.value for name, estimate in metrics.estimate([task], resamples=2).overall.items()}


def test_one_label_computed_by_hand() -> None:
    # Class 0: 2 of 3 right. Class 1: 1 of 1. Class 2 never occurs, but is answered once.
    measured = values(single_label([0, 0, 0, 1], [0, 0, 2, 1], labels=4))

    assert measured["accuracy"] == pytest.approx(3 / 4)
    assert measured["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert measured["macro_f1"] == pytest.approx((4 / 5 + 1 + 0) / 3)
    assert "micro_f1" not in measured


def test_several_labels_computed_by_hand() -> None:
    truth = np.array([[1, 1, 0], [0, 1, 0]], dtype=bool)
    measured = values(several_labels(truth, np.array([[0.9, 0.2, 0.1], [0.1, 0.9, 0.6]])))

    assert measured["accuracy"] == 0  # one label is missing, one too many
    assert measured["micro_f1"] == pytest.approx(2 * 2 / (3 + 3))
    assert measured["macro_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    squares = [0.1, 0.8, 0.1, 0.1, 0.1, 0.6]
    assert measured["brier"] == pytest.approx(sum(difference**2 for difference in squares) / 6)
    assert "balanced_accuracy" not in measured


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
def test_one_label_equals_scikit_learn(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    labels, answers = drawn
    truth, chosen = [true for true, _ in answers], [answer for _, answer in answers]
    task = single_label(truth, chosen, labels)

    measured = values(task)

    assert measured["accuracy"] == pytest.approx(accuracy_score(truth, chosen))
    assert measured["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, chosen))
    assert measured["macro_f1"] == pytest.approx(f1_score(truth, chosen, average="macro"))


def test_several_labels_equal_scikit_learn() -> None:
    random = np.random.default_rng(0)
    truth, probabilities = random.random((60, 5)) < 0.4, random.random((60, 5))

    measured, chosen = values(several_labels(truth, probabilities)), probabilities >= 0.5

    assert measured["accuracy"] == pytest.approx(accuracy_score(truth, chosen))
    assert measured["micro_f1"] == pytest.approx(f1_score(truth, chosen, average="micro"))
    assert measured["macro_f1"] == pytest.approx(f1_score(truth, chosen, average="macro"))


def test_the_brier_score_equals_scikit_learn() -> None:
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(3), 50)
    truth = random.integers(0, 3, 50)
    task = Scored(
        metrics.to_matrix([[int(index)] for index in truth], 3),
        metrics.to_matrix([[int(index)] for index in probabilities.argmax(axis=1)], 3),
        probabilities.astype(np.float32),
    )

    expected = brier_score_loss(truth, probabilities, labels=[0, 1, 2], scale_by_half=False)
    assert values(task)["brier"] == pytest.approx(expected, abs=1e-6)


def test_the_calibration_error_computed_by_hand() -> None:
    # Three claims of 0.9, of which one is wrong; one of 0.5, which is right.
    task = single_label([0, 0, 0, 1], [0, 0, 1, 1], labels=2, probability=[0.9, 0.9, 0.9, 0.5])
    bins = measure_reliability([task])

    assert values(task)["calibration_error"] == pytest.approx(3 / 4 * (0.9 - 2 / 3) + 1 / 4 * 0.5, abs=1e-6)
    assert bins.counts[[7, 13]].tolist() == [1, 3]
    assert bins.counts.sum() == 4
    assert bins.accuracy[13] == pytest.approx(2 / 3)
    assert bins.confidence[13] == pytest.approx(0.9)


def test_with_several_labels_each_pair_of_item_and_label_is_a_claim() -> None:
    random = np.random.default_rng(0)
    probabilities = random.random((4_000, 5))
    honest = several_labels(random.random((4_000, 5)) < probabilities, probabilities)
    boasting = several_labels(np.zeros((4_000, 5), dtype=bool), probabilities)

    assert values(honest)["calibration_error"] < 0.02
    assert values(boasting)["calibration_error"] == pytest.approx(0.5, abs=0.01)


def test_the_interval_is_that_of_the_binomial_distribution() -> None:
    right = [0] * 300 + [1] * 100
    measured = metrics.estimate([single_label([0] * 400, right, labels=2)]).overall["accuracy"]

    deviation = (0.75 * 0.25 / 400) ** 0.5
    assert measured.value == 0.75
    assert measured.low == pytest.approx(0.75 - 1.96 * deviation, abs=0.006)
    assert measured.high == pytest.approx(0.75 + 1.96 * deviation, abs=0.006)


def test_the_interval_does_not_depend_on_the_chunks_of_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    task = single_label(random.integers(0, 5, 90).tolist(), random.integers(0, 5, 90).tolist(), labels=5)
    first = metrics.estimate([task])
    monkeypatch.setattr(metrics, "MAX_WEIGHTS", 1_000)

    assert metrics.estimate([task]) == first


def test_a_class_without_drawn_items_has_no_recall() -> None:
    # If the only item of class 1 isn't drawn, the mean is over class 0 only.
    measured = metrics.estimate([single_label([0] * 30 + [1], [0] * 31, labels=2)]).overall["balanced_accuracy"]

    assert (measured.value, measured.low, measured.high) == (0.5, 0.5, 1.0)


def test_the_overall_metric_is_the_mean_of_the_tasks() -> None:
    good, bad = single_label([0] * 50, [0] * 50, labels=2), single_label([0] * 50, [1] * 25 + [0] * 25, labels=2)
    measured = metrics.estimate([good, bad])

    assert [task["accuracy"].value for task in measured.tasks] == [1, 0.5]
    overall, bad_task = measured.overall["accuracy"], measured.tasks[1]["accuracy"]
    assert overall.value == 0.75
    # Only the bad task's accuracy varies, and the mean has half of it.
    assert overall.high - overall.low == pytest.approx((bad_task.high - bad_task.low) / 2)


def test_a_group_has_the_means_of_its_tasks() -> None:
    good, bad = single_label([0] * 50, [0] * 50, labels=2), single_label([0] * 50, [1] * 25 + [0] * 25, labels=2)
    measured = metrics.estimate([good, bad, bad], groups=["a", "b", None])
    of_good_and_bad = metrics.estimate([good, bad], groups=["a", "a"])

    assert {name: group["accuracy"].value for name, group in measured.groups.items()} == {"a": 1, "b": 0.5}
    assert of_good_and_bad.groups["a"] == of_good_and_bad.overall


def test_the_overall_metric_is_that_of_the_tasks_that_have_it() -> None:
    one = single_label([0, 1], [0, 1], labels=2)
    many = several_labels(np.array([[True, False]]), np.array([[0.2, 0.9]]))

    measured = metrics.estimate([one, many], resamples=10).overall

    assert (measured["balanced_accuracy"].value, measured["micro_f1"].value, measured["accuracy"].value) == (1, 0, 0.5)


def test_ten_thousand_items_take_a_few_seconds() -> None:
    random = np.random.default_rng(0)
    task = single_label(random.integers(0, 200, 10_000).tolist(), random.integers(0, 200, 10_000).tolist(), labels=200)

    started = time.process_time()
    metrics.estimate([task])

    assert time.process_time() - started < 10


def test_the_overall_calibration_error_is_that_of_all_claims() -> None:
    """A task of one sample has a large error by chance. A hundred such tasks need not have one."""
    tasks = [
        Scored(np.array([[right, not right]]), np.array([[True, False]]), np.array([[0.75, 0.25]], dtype=np.float32))
        for right in [True, True, True, False] * 25
    ]

    measured = metrics.estimate(tasks, resamples=10)

    assert measured.overall["calibration_error"].value == pytest.approx(0)
    assert {round(task["calibration_error"].value, 2) for task in measured.tasks} == {0.25, 0.75}
