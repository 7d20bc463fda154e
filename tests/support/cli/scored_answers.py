"""Answers for the tests of metrics."""

from __future__ import annotations

import numpy as np

from pigeonhole_cli.evaluation.metrics import Scored, to_matrix


def single_label(truth: list[int], chosen: list[int], labels: int, probability: float | list[float] = 0.8) -> Scored:
    """Make answers with one label each. The other labels share the rest of the probability."""
    sure = np.broadcast_to(np.asarray(probability, dtype=float), len(truth))
    spread = np.repeat(((1 - sure) / max(labels - 1, 1))[:, None], labels, axis=1)
    spread[np.arange(len(truth)), chosen] = sure
    rows = [to_matrix([[index] for index in indices], labels) for indices in (truth, chosen)]
    return Scored(rows[0], rows[1], spread.astype(np.float32))


def several_labels(truth: np.ndarray, probabilities: np.ndarray) -> Scored:
    """Make answers with any number of labels each: those with a probability of at least 0.5."""
    return Scored(truth, probabilities >= 0.5, probabilities.astype(np.float32), multiple=True)
