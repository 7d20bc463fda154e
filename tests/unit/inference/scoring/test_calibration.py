"""calibration.json is written, read and checked, and the prior fills its gaps."""

import json
from dataclasses import replace

import numpy as np
import pytest

from pigeonhole.inference.scoring.calibration import (
    PAIRS,
    Calibration,
    Coefficients,
    Evidence,
    MultilingualWeights,
    parse_calibration,
    prior_calibration,
)
from support.fake_encoder import FakeEncoder

INFO = FakeEncoder().info
PHOTOS = ("image", "text")


def measured_calibration() -> Calibration:
    coefficients = {pair: Coefficients(40.0, -8.0, background=-30.0) for pair in PAIRS}
    return Calibration(coefficients, coefficients, thresholds={"text": 0.6, "image": 0.7}, measured=frozenset({PHOTOS}))


def test_a_calibration_is_read_as_it_was_written() -> None:
    stored = json.loads(json.dumps(measured_calibration().to_content(INFO.revision, ["photos.parquet"])))

    calibration = parse_calibration(stored, INFO)

    assert calibration.single[PHOTOS] == calibration.multiple[PHOTOS] == Coefficients(40.0, -8.0, background=-30.0)
    assert calibration.thresholds["image"] == 0.7
    assert PHOTOS in calibration.measured


def test_the_weights_of_the_multilingual_encoder_are_stored_and_have_a_default() -> None:
    calibration = replace(measured_calibration(), multilingual=MultilingualWeights(english=0.1, other=0.9))
    stored = calibration.to_content(INFO.revision, [])

    assert parse_calibration(stored, INFO).multilingual == MultilingualWeights(english=0.1, other=0.9)
    del stored["multilingual"]
    assert parse_calibration(stored, INFO).multilingual == prior_calibration(INFO).multilingual


@pytest.mark.parametrize(
    "weights", [None, 0.3, {"english": 0.3}, {"english": 0.3, "other": 1.1}, {"english": 0.3, "other": "1"}]
)
def test_weights_that_are_no_shares_are_refused(weights: object) -> None:
    stored = measured_calibration().to_content(INFO.revision, []) | {"multilingual": weights}

    with pytest.raises(ValueError, match="`multilingual` must give english and other"):
        parse_calibration(stored, INFO)


def test_a_pair_that_was_not_measured_has_the_prior() -> None:
    calibration = parse_calibration(measured_calibration().to_content(INFO.revision, []), INFO)

    assert calibration.single["image", "image"] == prior_calibration(INFO).single["image", "image"]
    assert ("image", "image") not in calibration.measured
    assert calibration.thresholds["text"] == prior_calibration(INFO).thresholds["text"], "no texts were measured"


def test_without_a_calibration_only_texts_against_texts_are_measured() -> None:
    calibration = parse_calibration(None, INFO)

    assert calibration.measured == {("text", "text")}
    assert set(calibration.single) == set(calibration.multiple) == set(PAIRS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"revision": "other"}, "made for revision other"),
        ({"format": 1}, "format 1, not 4"),
        ({"format": None}, "format None"),
        ({"single": []}, "`single` must be an object"),
        ({"single": {"image-text": {"slope": 1}}}, "numbers such as cosine, bias and background"),
        ({"single": {"image-text": {"cosine": "1", "bias": 0}}}, "numbers such as cosine, bias and background"),
        ({"multiple": {}}, "the same pairs"),
        ({"thresholds": {"image": 2}}, "thresholds"),
        ({"thresholds": 0.5}, "thresholds"),
    ],
)
def test_an_invalid_calibration_is_refused_with_the_reason(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_calibration(measured_calibration().to_content(INFO.revision, []) | change, INFO)


def test_log_odds_are_a_weighted_sum() -> None:
    evidence = Evidence(np.float32([[0.5, 0.1]]), np.float32([[0.3, 0.2]]), np.float32([0.0, 0.1]))

    odds = Coefficients(cosine=10, bias=1, background=-5, hubness=2).log_odds(evidence)

    np.testing.assert_allclose(odds, [[5 + 1 - 1.5, 1 + 1 - 1 + 0.2]], atol=1e-6)


def test_the_prior_of_one_label_compares_it_with_the_background() -> None:
    """NegLabel's score: with equal cosines, the label is as likely as everything else."""
    coefficients = prior_calibration(INFO).single[PHOTOS]
    even = Evidence(np.float32([[0.3]]), np.float32([[0.3]]), np.float32([0]))
    assert coefficients.log_odds(even) == pytest.approx(0)


def test_the_prior_of_several_labels_has_the_bias_of_a_sigmoid_model() -> None:
    siglip = replace(INFO, activation="sigmoid", logit_scale=112.0, logit_bias=-16.5)
    assert prior_calibration(siglip).multiple[PHOTOS] == Coefficients(112.0, -16.5)


def test_a_calibrated_pair_can_beat_a_higher_cosine() -> None:
    """A cosine of 0.6 of two photos is below their midpoint 0.65. A cosine of 0.25 of photo and word is above theirs, 0.22."""
    zero = np.float32([[0]])
    words = Coefficients(100, -22).log_odds(Evidence(np.float32([[0.25]]), zero, zero[0]))
    photos = Coefficients(20, -13).log_odds(Evidence(np.float32([[0.60]]), zero, zero[0]))
    assert words > photos


@pytest.mark.parametrize("multiple", [False, True])
def test_coefficients_suit_a_text_model_whatever_the_range_of_its_cosines(multiple: bool) -> None:
    """E5's cosines lie between 0.7 and 1. Mapped onto those of the bundled sentence encoder, they give the same log-odds."""
    generator = np.random.default_rng(0)
    cosines, background = (generator.uniform(-0.2, 0.9, (4, 3)).astype(np.float32) for _ in range(2))
    hubness = generator.uniform(0, 0.2, 3).astype(np.float32)
    narrow = replace(INFO, logit_scale=20.0 / 0.3, logit_bias=-20.0 * 0.7 / 0.3)  # narrow cosine = 0.7 + 0.3 * cosine

    bundled, other = prior_calibration(INFO), prior_calibration(INFO, narrow)
    expected, mapped = (
        (calibration.multiple if multiple else calibration.single)["text", "text"] for calibration in (bundled, other)
    )

    np.testing.assert_allclose(
        mapped.log_odds(Evidence(0.7 + 0.3 * cosines, 0.7 + 0.3 * background, 0.7 + 0.3 * hubness)),
        expected.log_odds(Evidence(cosines, background, hubness)),
        atol=1e-3,
    )
    assert ("text", "text") in bundled.measured
    assert ("text", "text") not in other.measured


def test_a_cross_encoder_has_the_log_odds_of_its_own_training() -> None:
    pairs = replace(INFO, logit_scale=20.0, logit_bias=0.0, reads_pairs=True)
    zeros = np.zeros((1, 2), dtype=np.float32)
    evidence = Evidence(np.array([[0.3, -0.1]], dtype=np.float32), zeros, np.zeros(2, dtype=np.float32))

    calibration = prior_calibration(INFO, pairs)

    for table in (calibration.single, calibration.multiple):
        np.testing.assert_allclose(table["text", "text"].log_odds(evidence), [[6.0, -2.0]], atol=1e-6)
    assert ("text", "text") in calibration.measured
