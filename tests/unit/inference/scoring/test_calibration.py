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
        ({"format": 1}, "format 1, not 3"),
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


def test_familiarity_counts_for_a_label_and_certainty_for_a_sample() -> None:
    zeros = np.zeros((2, 3), dtype=np.float32)
    evidence = Evidence(zeros, zeros, zeros[0], familiarity=np.float32([0.5, 0.25, 0]), certainty=np.float32([0.75, 1]))

    odds = Coefficients(cosine=1, bias=1, familiarity=-4, certainty=2).log_odds(evidence)

    np.testing.assert_allclose(odds, [[0.5, 1.5, 2.5], [1, 2, 3]], atol=1e-6)


def test_a_calibration_without_familiarity_and_certainty_is_still_read() -> None:
    content = measured_calibration().to_content(INFO.revision, [])
    expected = parse_calibration(content, INFO)
    for table in (content["single"], content["multiple"]):
        for coefficients in table.values():
            del coefficients["familiarity"], coefficients["certainty"]

    assert parse_calibration(content, INFO) == expected


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
