"""Calibration: the coefficients that turn the cosines of a model into log-odds, per pair of sample type and label type.

A cosine means different things for different pairs: two photos of one thing are two to three times as similar as a photo and
its name. So each pair has coefficients of its own, and the log-odds of all pairs can be compared. Log-odds are
log p(the sample is of the label) - log p(the sample is of something else), at even prior odds.

There are two sets: one for labels that exclude each other, one for several labels at once. Both were fitted on data, or they
are the prior of a model without a calibration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from pigeonhole.inference.encoders.base import EncoderInfo

Floats = npt.NDArray[np.float32]
Modality = Literal["text", "image"]
Pair = tuple[Modality, Modality]  # (sample type, label type)

PAIRS: tuple[Pair, ...] = (("text", "text"), ("text", "image"), ("image", "text"), ("image", "image"))
FORMAT = 4  # of calibration.json

# The prior for several labels: the cosine at which the label and its negation are equally likely. In softmax-trained CLIPs, a
# photo has a cosine near 0.3 with its caption and near 0.15 with another caption (Radford et al. 2021, their released models).
# Two photos have a cosine near 0.8 if they show one class, and near 0.5 if they show two.
MIDPOINT = {"cross": 0.22, "photos": 0.65}
# Photo-to-photo cosines spread about five times as wide as photo-to-text cosines, so their scale is a fifth.
PHOTO_SPREAD = 5.0
DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class Evidence:
    """The measured similarities of samples and labels, in cosine units. log_odds.py computes them.

    Attributes:
        cosines: Cosine similarities, (n, labels) float32.
        background: The background value of each sample, for each label, (n, labels) float32.
        hubness: How similar each label is to samples in general, (labels,) float32, or (n, labels) if it differs between
            samples. 0 if it is unknown.
    """

    cosines: Floats
    background: Floats
    hubness: Floats


@dataclass(frozen=True)
class Coefficients:
    """The coefficients of a logistic regression (Platt 1999).

    log-odds = cosine * cosines + background * background value + hubness * hubness of the label + bias

    Attributes:
        cosine: The coefficient of the cosine similarity.
        bias: The constant term.
        background: The coefficient of the background value.
        hubness: The coefficient of the label's hubness.
    """

    cosine: float
    bias: float
    background: float = 0.0
    hubness: float = 0.0

    def log_odds(self, evidence: Evidence) -> Floats:
        """Return the natural log-odds that a sample is of a label, (n, labels) float32."""
        of_label = self.hubness * evidence.hubness + self.bias
        return np.asarray(self.cosine * evidence.cosines + self.background * evidence.background + of_label, dtype=np.float32)


@dataclass(frozen=True)
class MultilingualWeights:
    """How much the multilingual sentence encoder counts where texts are compared with texts, 0..1. At 0 it isn't run.

    Attributes:
        english: Its weight for texts that the sentence encoder reads well. languages.py recognises them.
        other: Its weight for all other texts.
    """

    english: float
    other: float


# Chosen on text data sets (docs/models.md).
DEFAULT_WEIGHTS = MultilingualWeights(english=0.2, other=0.6)


@dataclass(frozen=True)
class Calibration:
    """The calibration of a model.

    Attributes:
        single: The coefficients for labels that exclude each other.
        multiple: The coefficients for several labels at once.
        thresholds: The probability (0..1) from which each of several labels is chosen, per type of sample.
        measured: The pairs whose coefficients were fitted on data. The other pairs have the coefficients of the prior.
        multilingual: The weights of the multilingual sentence encoder.
    """

    single: Mapping[Pair, Coefficients]
    multiple: Mapping[Pair, Coefficients]
    thresholds: Mapping[Modality, float]
    measured: frozenset[Pair] = frozenset()
    multilingual: MultilingualWeights = DEFAULT_WEIGHTS

    @property
    def is_measured_for_photos(self) -> bool:
        """Whether the pair of photos and label texts was fitted. A model with this pair is called calibrated."""
        return ("image", "text") in self.measured

    def to_content(self, revision: str, measured_on: Sequence[str]) -> dict[str, Any]:
        """Return the content of calibration.json, which holds the fitted pairs only.

        Args:
            revision: The revision of the model.
            measured_on: The names of the data sets.
        """
        return {
            "format": FORMAT,
            "revision": revision,
            **{
                name: {"-".join(pair): asdict(table[pair]) for pair in PAIRS if pair in self.measured}
                for name, table in (("single", self.single), ("multiple", self.multiple))
            },
            "thresholds": {kind: value for kind, value in self.thresholds.items() if (kind, "text") in self.measured},
            "multilingual": asdict(self.multilingual),
            "measured_on": list(measured_on),
        }


# Fitted for all-MiniLM-L6-v2, which compares texts with text labels whatever the image-text model is. So this pair never needs
# a calibration of its own. docs/models.md has the data and the command.
SENTENCE_SINGLE = Coefficients(cosine=16.7, bias=2.01, background=-12.0, hubness=-8.36)
SENTENCE_MULTIPLE = Coefficients(cosine=8.13, bias=5.81, background=-16.3, hubness=-4.07)
SENTENCE_THRESHOLD = 0.51  # the best micro F1 over ten labels, on the same data
# The scale of sentence-transformers' MultipleNegativesRankingLoss, which trained all-MiniLM-L6-v2.
SENTENCE_SCALE = 20.0


def prior_for_texts(sentence: EncoderInfo) -> tuple[Coefficients, Coefficients]:
    """Return the coefficients for texts against label texts that suit a text model: for one right label, and for several.

    A cross-encoder was trained to give log-odds, so its own are used. The coefficients of all-MiniLM-L6-v2 suit any other text
    model after its cosines are mapped onto those of all-MiniLM-L6-v2: (logit_scale * cosine + logit_bias) / SENTENCE_SCALE. The
    map is linear, so it becomes part of the coefficients.
    """
    if sentence.reads_pairs:
        own = Coefficients(sentence.logit_scale, sentence.logit_bias)
        return own, own
    ratio, shift = sentence.logit_scale / SENTENCE_SCALE, sentence.logit_bias / SENTENCE_SCALE
    single, multiple = (
        Coefficients(
            cosine=ratio * fitted.cosine,
            bias=fitted.bias + shift * (fitted.cosine + fitted.background + fitted.hubness),
            background=ratio * fitted.background,
            hubness=ratio * fitted.hubness,
        )
        for fitted in (SENTENCE_SINGLE, SENTENCE_MULTIPLE)
    )
    return single, multiple


def prior_calibration(encoder: EncoderInfo, sentence: EncoderInfo | None = None) -> Calibration:
    """Return the calibration of a model that has none: its own logit scale, and its own bias or the midpoints above.

    For one label, this is NegLabel's score: the label is compared with all background concepts together in the model's own
    softmax (Jiang et al. 2024, arXiv 2403.20078, equation 4).

    Args:
        encoder: The image-text encoder.
        sentence: What compares texts with texts, None for all-MiniLM-L6-v2.
    """
    single_texts, multiple_texts = prior_for_texts(sentence) if sentence else (SENTENCE_SINGLE, SENTENCE_MULTIPLE)
    scale = encoder.logit_scale
    photos = Coefficients(scale / PHOTO_SPREAD, -scale / PHOTO_SPREAD * MIDPOINT["photos"])
    against_background = Coefficients(scale, 0.0, background=-scale)
    cross = Coefficients(scale, encoder.logit_bias if encoder.activation == "sigmoid" else -scale * MIDPOINT["cross"])
    single: dict[Pair, Coefficients] = {
        ("text", "text"): single_texts,
        ("text", "image"): against_background,
        ("image", "text"): against_background,
        ("image", "image"): photos,
    }
    multiple: dict[Pair, Coefficients] = {
        ("text", "text"): multiple_texts,
        ("text", "image"): cross,
        ("image", "text"): cross,
        ("image", "image"): photos,
    }
    thresholds: dict[Modality, float] = {"text": SENTENCE_THRESHOLD, "image": DEFAULT_THRESHOLD}
    is_measured = (single_texts, multiple_texts) == (SENTENCE_SINGLE, SENTENCE_MULTIPLE) or (sentence and sentence.reads_pairs)
    return Calibration(single, multiple, thresholds, measured=frozenset({("text", "text")} if is_measured else ()))


def parse_calibration(
    content: Mapping[str, Any] | None, encoder: EncoderInfo, sentence: EncoderInfo | None = None
) -> Calibration:
    """Read the content of calibration.json. Pairs that it lacks get the prior.

    Args:
        content: The parsed file, None if the model has no such file.
        encoder: The image-text encoder of the model.
        sentence: What compares texts with texts, None for all-MiniLM-L6-v2.

    Raises:
        ValueError: The content is of another format, or was made for another revision of the model.
    """
    base = prior_calibration(encoder, sentence)
    if content is None:
        return base
    if content.get("revision") != encoder.revision:
        made_for = content.get("revision")
        raise ValueError(
            f"calibration.json was made for revision {made_for}, but the model has revision {encoder.revision}: "
            "calibrate the model again"
        )
    if content.get("format") != FORMAT:
        raise ValueError(f"calibration.json has format {content.get('format', 1)}, not {FORMAT}: calibrate the model again")
    single, multiple = (_parse_coefficients(content, name) for name in ("single", "multiple"))
    if single.keys() != multiple.keys():
        raise ValueError("calibration.json: `single` and `multiple` must hold the same pairs")
    thresholds = content.get("thresholds", {})
    if not isinstance(thresholds, Mapping) or not all(map(_is_probability, thresholds.values())):
        raise ValueError("calibration.json: `thresholds` must be an object of numbers from 0 to 1")
    return Calibration(
        {**base.single, **single},
        {**base.multiple, **multiple},
        {kind: float(thresholds.get(kind, value)) for kind, value in base.thresholds.items()},
        measured=base.measured | single.keys(),
        multilingual=_parse_weights(content.get("multilingual", asdict(DEFAULT_WEIGHTS))),
    )


def _parse_weights(content: Any) -> MultilingualWeights:
    names = {field.name for field in fields(MultilingualWeights)}
    if not isinstance(content, Mapping) or content.keys() != names or not all(map(_is_probability, content.values())):
        raise ValueError("calibration.json: `multilingual` must give english and other, numbers from 0 to 1")
    return MultilingualWeights(**content)


def _parse_coefficients(content: Mapping[str, Any], name: str) -> dict[Pair, Coefficients]:
    table = content.get(name)
    if not isinstance(table, Mapping):
        raise ValueError(f"calibration.json: `{name}` must be an object")
    by_pair: dict[Pair, Coefficients] = {}
    for pair in PAIRS:
        if (coefficients := table.get("-".join(pair))) is not None:
            try:
                by_pair[pair] = Coefficients(**coefficients)
            except TypeError:
                coefficients = None
            if coefficients is None or not all(map(_is_number, coefficients.values())):
                raise ValueError(f"calibration.json: `{name}` must give each pair numbers such as cosine, bias and background")
    return by_pair


def _is_probability(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
