"""Measure how good a calibration is on data that it wasn't fitted on, by leaving whole families of data sets out in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pigeonhole_cli.evaluation.calibration.fit import Floats, conditional_logit
from pigeonhole_cli.evaluation.metrics import BINS, to_bins

FOLDS = 5


@dataclass(frozen=True)
class LeftOut:
    """The errors on families of data sets, each by a calibration without it.

    Attributes:
        families: The number of families.
        log_loss: The mean negative log-likelihood of the right labels, in nats.
        calibration_error: The expected calibration error of the best label, as in metrics.py.
    """

    families: int
    log_loss: float
    calibration_error: float


def name_families(families: Sequence[str | None]) -> list[str]:
    """Return the names of the families, sorted. Without two of them, nothing can be left out."""
    return sorted({family for family in families if family})


def measure_left_out(
    features: Floats, present: npt.NDArray[np.bool_], right: npt.NDArray[np.int64], families: Sequence[str | None]
) -> LeftOut | None:
    """Fit without each of at most FOLDS groups of families, and measure the errors on them.

    Args:
        features: `(episodes, labels, p)`.
        present: `(episodes, labels) bool`.
        right: `(episodes,)`, the index of the right label.
        families: The family of each episode's data set. Episodes without a family are never left out.

    Returns:
        The errors. None if there are fewer than two families.
    """
    names = name_families(families)
    if len(names) < 2:
        return None
    folds = np.array([names.index(family) % FOLDS if family else -1 for family in families])
    chosen, of_best, of_right = [], [], []
    for fold in np.unique(folds[folds >= 0]):
        inside, outside = folds != fold, folds == fold
        coefficients = conditional_logit(features[inside], present[inside], right[inside])
        logits = np.where(present[outside], features[outside] @ coefficients, -np.inf)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = odds / odds.sum(axis=1, keepdims=True)
        rows = np.arange(len(probabilities))
        chosen.append(probabilities.argmax(axis=1) == right[outside])
        of_best.append(probabilities.max(axis=1))
        of_right.append(probabilities[rows, right[outside]])
    best, is_right, likelihood = np.concatenate(of_best), np.concatenate(chosen), np.concatenate(of_right)
    surplus = np.bincount(to_bins(best), best - is_right, minlength=BINS)
    return LeftOut(
        families=len(names),
        log_loss=float(-np.log(np.maximum(likelihood, 1e-12)).mean()),
        calibration_error=float(np.abs(surplus).sum() / len(best)),
    )
