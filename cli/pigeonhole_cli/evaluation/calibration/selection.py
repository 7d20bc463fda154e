"""Choose by leaving data out how much the level of a label may depend on its familiarity and on the sample's certainty.

Such a dependence carries over to new labels only if it holds between data sets. So whole families of data sets are left out in
turn, and the penalty with the highest likelihood of what was left out is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pigeonhole_cli.evaluation.calibration.episodes import FEATURES, LEVEL_FEATURES
from pigeonhole_cli.evaluation.calibration.fit import RIDGE, Floats, conditional_logit
from pigeonhole_cli.evaluation.metrics import BINS, to_bins

# The last one removes the dependence. Likelihood would choose 1e-4, at the cost of the order of labels: on the six dev sets of
# photos, balanced accuracy is 50.8 % with it and 56.9 % with 1e-2.
LEVEL_PENALTIES = (1e-2, 1e-1, 1e6)
FOLDS = 5


@dataclass(frozen=True)
class LeftOut:
    """The errors on families of data sets, each by a calibration without it.

    Attributes:
        families: The number of families.
        log_loss: The mean negative log-likelihood of the right labels, in nats.
        calibration_error: The expected calibration error of the best label, as in metrics.py.
        level_penalty: The penalty on the coefficients of familiarity and certainty.
    """

    families: int
    log_loss: float
    calibration_error: float
    level_penalty: float


def choose_penalties(
    features: Floats, present: npt.NDArray[np.bool_], right: npt.NDArray[np.int64], families: Sequence[str | None]
) -> tuple[Floats, LeftOut | None]:
    """Choose the penalties of the conditional logit.

    Args:
        features: `(episodes, labels, p)`.
        present: `(episodes, labels) bool`.
        right: `(episodes,)`, the index of the right label.
        families: The family of each episode's data set. Without two families nothing can be left out.

    Returns:
        The penalty of each coefficient, `(p,)`, and the errors on what was left out.
    """
    names = sorted({family for family in families if family})
    if len(names) < 2:
        return _penalties(LEVEL_PENALTIES[-1]), None
    candidates = [measure_left_out(features, present, right, families, level_penalty=level) for level in LEVEL_PENALTIES]
    best = min(candidates, key=lambda candidate: candidate.log_loss)
    return _penalties(best.level_penalty), best


def measure_left_out(
    features: Floats,
    present: npt.NDArray[np.bool_],
    right: npt.NDArray[np.int64],
    families: Sequence[str | None],
    *,
    level_penalty: float,
) -> LeftOut:
    """Fit without each of at most FOLDS groups of families, and measure the errors on them.

    Args:
        features: `(episodes, labels, p)`.
        present: `(episodes, labels) bool`.
        right: `(episodes,)`, the index of the right label.
        families: The family of each episode's data set, at least two. Episodes without a family are never left out.
        level_penalty: The penalty on the coefficients of familiarity and certainty.
    """
    names = sorted({family for family in families if family})
    folds = np.array([names.index(family) % FOLDS if family else -1 for family in families])
    chosen, of_best, of_right = [], [], []
    for fold in np.unique(folds[folds >= 0]):
        inside, outside = folds != fold, folds == fold
        coefficients = conditional_logit(features[inside], present[inside], right[inside], _penalties(level_penalty))
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
        level_penalty=level_penalty,
    )


def _penalties(level: float) -> Floats:
    penalties = np.full((2, FEATURES), RIDGE)
    penalties[:, list(LEVEL_FEATURES)] = level
    return penalties.ravel()
