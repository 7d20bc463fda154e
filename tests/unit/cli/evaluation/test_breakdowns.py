"""Breakdowns of answers: metrics per class, the confusion matrix and the bins equal those of scikit-learn and textbooks."""

from __future__ import annotations

import numpy as np
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from pigeonhole_cli.evaluation.breakdowns import confusion_matrix, measure_classes, measure_reliability
from support.cli.scored_answers import several_labels, single_label

pairs = st.integers(2, 6).flatmap(
    lambda labels: st.tuples(
        st.just(labels),
        st.lists(st.tuples(st.integers(0, labels - 1), st.integers(0, labels - 1)), min_size=1, max_size=40),
    )
)


@settings(deadline=None, max_examples=50)
@given(pairs)
def test_classes_and_confusion_matrix_equal_scikit_learn(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    labels, answers = drawn
    truth, chosen = [true for true, _ in answers], [answer for _, answer in answers]
    task = single_label(truth, chosen, labels)

    classes = measure_classes(task)

    expected = sklearn.metrics.precision_recall_fscore_support(truth, chosen, labels=range(labels), zero_division=0)
    for values, expected_values in zip((classes.precision, classes.recall, classes.f1, classes.support), expected, strict=True):
        assert np.allclose(values, expected_values)
    expected_counts = sklearn.metrics.confusion_matrix(truth, chosen, labels=range(labels))
    assert (confusion_matrix(task) == expected_counts).all()


def test_a_bin_holds_its_upper_edge_and_the_first_bin_holds_0() -> None:
    truth = np.ones((1, 4), dtype=bool)
    task = several_labels(truth, np.array([[0.0, 1.0, 0.1999, 0.2001]]))

    assert np.flatnonzero(measure_reliability([task]).counts).tolist() == [0, 2, 3, 14]
