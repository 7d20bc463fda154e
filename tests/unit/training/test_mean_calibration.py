"""Calibrations are combined by the mean of what several of them have."""

from __future__ import annotations

from typing import Any

import pytest

from mean_calibration import combine
from pigeonhole.inference.scoring.calibration import FORMAT, parse_calibration
from support.fake_encoder import FakeEncoder


def calibration(pair: str, cosine: float, **other: Any) -> dict[str, Any]:
    coefficients = {"cosine": cosine, "bias": 1.0, "background": -2.0, "hubness": 0.0}
    sample_type = pair.partition("-")[0]
    return {
        "format": FORMAT,
        "revision": "of another model",
        "single": {pair: coefficients},
        "multiple": {pair: coefficients},
        "thresholds": {sample_type: cosine / 100},
        "multilingual": {"english": 0.2, "other": 0.6},
        "measured_on": [f"{pair}.parquet"],
        "left_out": {sample_type: {"families": 4, "log_loss": 0.5, "calibration_error": 0.05}},
    } | other


def test_coefficients_of_a_pair_are_averaged() -> None:
    photos = [calibration("image-text", cosine) for cosine in (10.0, 20.0)]
    texts = calibration("text-text", 30.0, multilingual={"english": 0.4, "other": 0.5})

    combined = combine([*photos, texts], "of this model")

    assert combined["single"]["image-text"]["cosine"] == 15.0
    assert combined["single"]["text-text"]["cosine"] == 30.0
    assert combined["thresholds"] == {"image": 0.15, "text": 0.3}
    assert combined["multilingual"] == {"english": 0.4, "other": 0.5}
    assert combined["measured_on"] == ["image-text.parquet", "text-text.parquet"]


def test_the_result_is_a_calibration_of_the_model() -> None:
    encoder = FakeEncoder().info
    combined = combine([calibration("image-text", 10.0), calibration("text-text", 20.0)], encoder.revision)

    assert parse_calibration(combined, encoder).single["image", "text"].cosine == 10.0


def test_other_formats_are_refused() -> None:
    with pytest.raises(ValueError, match="different formats"):
        combine([calibration("image-text", 10.0), calibration("text-text", 20.0, format=2)], "of this model")
