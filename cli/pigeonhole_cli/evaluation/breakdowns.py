"""Breakdowns of a task's answers: calibration by bins, metrics per class, the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pigeonhole_cli.evaluation.metrics import BINS, Floats, Ints, Scored, claims, divide, to_bins


@dataclass(frozen=True)
class Reliability:
    """The bins of the calibration error.

    Attributes:
        counts: `(BINS,)`: the number of claims.
        confidence: `(BINS,)`: the claims' mean probability.
        accuracy: `(BINS,)`: the share of the claims that are true.
    """

    counts: Ints
    confidence: Floats
    accuracy: Floats


def measure_reliability(tasks: Sequence[Scored]) -> Reliability:
    """Sort the claims of all tasks into bins of equal width."""
    task_claims = [claims(task) for task in tasks]
    confidence = np.concatenate([probability for _, probability, _ in task_claims])
    truth = np.concatenate([true for _, _, true in task_claims])
    bins = to_bins(confidence)
    counts = np.bincount(bins, minlength=BINS)
    sums = [np.asarray(np.bincount(bins, values, BINS), np.float64) for values in (confidence, truth)]
    mean_confidence, accuracy = (divide(total, counts.astype(np.float64)) for total in sums)
    return Reliability(counts, mean_confidence, accuracy)


@dataclass(frozen=True)
class ClassMetrics:
    """The metrics of each label. A division by zero counts as 0.

    Attributes:
        precision: `(labels,)`.
        recall: `(labels,)`.
        f1: `(labels,)`.
        support: `(labels,)`: the number of items of which the label is true.
    """

    precision: Floats
    recall: Floats
    f1: Floats
    support: Ints


def measure_classes(task: Scored) -> ClassMetrics:
    """Return precision, recall, F1 and support of each label."""
    matrices = (task.truth & task.chosen, task.truth, task.chosen)
    hits, truths, answers = (matrix.sum(axis=0, dtype=np.float64) for matrix in matrices)
    return ClassMetrics(
        precision=divide(hits, answers),
        recall=divide(hits, truths),
        f1=divide(2 * hits, truths + answers),
        support=task.truth.sum(axis=0, dtype=np.intp),
    )


def confusion_matrix(task: Scored) -> Ints:
    """Count the answers of a task with one label per item: `(labels, labels)`, truth in rows, answers in columns."""
    labels = task.truth.shape[1]
    pairs = task.truth.argmax(axis=1) * labels + task.chosen.argmax(axis=1)
    return np.bincount(pairs, minlength=labels * labels).reshape(labels, labels)
