"""The error of a calibration is measured on families of data sets that it wasn't fitted on."""

from __future__ import annotations

import numpy as np
import pytest

from pigeonhole_cli.evaluation.calibration.episodes import FEATURES
from pigeonhole_cli.evaluation.calibration.fit import Floats
from pigeonhole_cli.evaluation.calibration.left_out import measure_left_out

FAMILIES = [f"family {index}" for index in range(8)]
PER_FAMILY = 60


def negations(levels: Floats) -> tuple[Floats, np.ndarray, np.ndarray, list[str | None]]:
    """Make episodes of a label and its negation. A cosine above the family's level is right."""
    rng = np.random.default_rng(3)
    features = np.zeros((len(levels) * PER_FAMILY, 2, 2 * FEATURES))
    level = np.repeat(levels, PER_FAMILY)
    cosines = level + rng.normal(0, 0.1, len(level))
    features[:, 0, 0], features[:, 0, 2] = cosines, 1
    odds = 30 * (cosines - level)
    right = (rng.random(len(odds)) > 1 / (1 + np.exp(-odds))).astype(np.int64)
    return features, np.ones(features.shape[:2], dtype=bool), right, list(np.repeat(FAMILIES, PER_FAMILY))


def test_families_that_are_alike_foretell_each_other() -> None:
    errors = measure_left_out(*negations(np.full(len(FAMILIES), 0.5)))

    assert errors is not None
    assert errors.families == len(FAMILIES)
    assert errors.calibration_error < 0.08
    assert errors.log_loss < 0.4


def test_a_family_of_another_level_is_foretold_badly() -> None:
    alike, other = np.full(len(FAMILIES), 0.5), np.linspace(0.1, 0.9, len(FAMILIES))

    errors, errors_of_other = (measure_left_out(*negations(levels)) for levels in (alike, other))

    assert errors is not None
    assert errors_of_other is not None
    assert errors_of_other.log_loss > errors.log_loss + 0.1


@pytest.mark.parametrize("family", [None, "one"])
def test_without_two_families_nothing_is_left_out(family: str | None) -> None:
    features, present, right, families = negations(np.array([0.3]))

    assert measure_left_out(features, present, right, [family] * len(families)) is None
