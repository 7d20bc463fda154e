"""How much the level depends on familiarity is chosen by what carries over to data sets that were left out."""

from __future__ import annotations

import numpy as np
import pytest

from pigeonhole_cli.evaluation.calibration.episodes import FEATURES
from pigeonhole_cli.evaluation.calibration.fit import RIDGE, Floats
from pigeonhole_cli.evaluation.calibration.selection import LEVEL_PENALTIES, choose_penalties

FAMILIES = [f"family {index}" for index in range(8)]
PER_FAMILY = 60


def negations(levels: Floats, familiarity: Floats) -> tuple[Floats, np.ndarray, np.ndarray, list[str | None]]:
    """Make episodes of a label and its negation. A cosine above the family's level is right."""
    rng = np.random.default_rng(3)
    features = np.zeros((len(levels) * PER_FAMILY, 2, 2 * FEATURES))
    level, known = np.repeat(levels, PER_FAMILY), np.repeat(familiarity, PER_FAMILY)
    cosines = level + rng.normal(0, 0.1, len(level))
    features[:, 0, [0, 2, 3]] = np.stack([cosines, np.ones_like(cosines), known], axis=1)
    odds = 30 * (cosines - level)
    right = (rng.random(len(odds)) > 1 / (1 + np.exp(-odds))).astype(np.int64)
    return features, np.ones(features.shape[:2], dtype=bool), right, list(np.repeat(FAMILIES, PER_FAMILY))


def test_a_dependence_that_holds_between_families_is_kept() -> None:
    familiarity = np.linspace(0.2, 0.9, len(FAMILIES))

    penalties, left_out = choose_penalties(*negations(0.5 * familiarity, familiarity))

    assert left_out is not None
    assert left_out.level_penalty < LEVEL_PENALTIES[-1]
    assert penalties.reshape(2, FEATURES)[:, 3].tolist() == [left_out.level_penalty] * 2
    assert penalties.reshape(2, FEATURES)[:, 0].tolist() == [RIDGE] * 2
    assert left_out.families == len(FAMILIES)
    assert 0 < left_out.calibration_error < 0.1
    assert 0 < left_out.log_loss < np.log(2)


def test_a_dependence_that_differs_between_families_is_not() -> None:
    """Familiarity points up in half of the families and down in the others."""
    familiarity = np.linspace(0.2, 0.9, len(FAMILIES))
    levels = np.where(np.arange(len(FAMILIES)) % 2, familiarity, 1 - familiarity)

    _, left_out = choose_penalties(*negations(levels, familiarity))

    assert left_out is not None
    assert left_out.level_penalty >= 0.1


@pytest.mark.parametrize("family", [None, "one"])
def test_without_two_families_nothing_is_left_out(family: str | None) -> None:
    features, present, right, families = negations(np.array([0.3]), np.array([0.5]))

    penalties, left_out = choose_penalties(features, present, right, [family] * len(families))

    assert left_out is None
    assert penalties.reshape(2, FEATURES)[0, 3] == LEVEL_PENALTIES[-1]
