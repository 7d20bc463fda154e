"""The figures of benchmarks/question_wording.py."""

import numpy as np

from question_wording import area_under_curve, balanced_accuracy


def test_the_area_under_the_curve_is_the_share_of_pairs_in_the_right_order() -> None:
    right = np.array([True, False, True, False])

    assert area_under_curve(np.array([0.9, 0.1, 0.8, 0.2]), right) == 1
    assert area_under_curve(np.array([0.5, 0.5, 0.5, 0.5]), right) == 0.5
    assert area_under_curve(np.array([0.3, 0.2, 0.1, 0.4]), right) == 0.25


def test_a_rare_label_counts_as_much_as_a_frequent_one() -> None:
    assert balanced_accuracy(np.array([0, 0, 0, 0]), np.array([0, 0, 0, 1])) == 0.5
