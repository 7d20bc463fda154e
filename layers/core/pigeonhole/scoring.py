"""Scoring: cosine similarities -> calibrated log-odds -> probabilities -> ranked labels. numpy only, and pure.

Every formula works on one sample's row at a time, so an answer never depends on the other samples of a batch.

*Calibration.* A cosine means different things for different pairs of sample and label type: two photos of one thing are
two to three times as similar as a photo and its name. So each pair has a scale and a bias that turn a cosine into log-odds,
log p(cos | it is the label) - log p(cos | it is not), at even prior odds (Platt scaling, Platt 1999, on balanced pairs).
Log-odds of different pairs can be compared, and a softmax over them is the posterior for labels that exclude each other and
are equally likely beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from pigeonhole.ports import EncoderInfo

Floats = npt.NDArray[np.float32]
Modality = Literal["text", "image"]
Pair = tuple[Modality, Modality]  # (sample type, label type)

PAIRS: tuple[Pair, ...] = (("text", "text"), ("text", "image"), ("image", "text"), ("image", "image"))

# The prior, for a pair that was never calibrated: the cosine at which "it is the label" and "it is not" are equally likely.
# Softmax-trained CLIPs put a photo's own caption near 0.3 and another's near 0.15 (Radford et al. 2021, their released models);
# two photos of one class near 0.8, of two classes near 0.5. Sentence encoders put related texts above a quarter.
PRIOR_MIDPOINT = {"cross": 0.22, "photos": 0.65, "texts": 0.25}
# Photo-to-photo cosines spread about five times as wide as photo-to-text ones, so they deserve a fifth of the scale.
PRIOR_PHOTO_SPREAD = 5.0
DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class Line:
    """log-odds = scale * cosine + bias."""

    scale: float
    bias: float

    def log_odds(self, cosines: Floats) -> Floats:
        """Cosines of any shape -> natural log-odds of the same shape."""
        return (self.scale * cosines + self.bias).astype(np.float32)


@dataclass(frozen=True)
class Calibration:
    """A line per pair of sample and label type, and the threshold for multiple labels.

    `measured`: whether lines were fitted on data for this model; else all of them lean on the prior.
    """

    lines: Mapping[Pair, Line]
    measured: bool
    threshold: float = DEFAULT_THRESHOLD


def prior(encoder: EncoderInfo, sentence: EncoderInfo) -> Calibration:
    """Lines for a model without a calibration: its own logit scale, and its own bias or else the prior's midpoints."""
    cross = Line(encoder.logit_scale, encoder.logit_bias)
    if encoder.activation == "softmax":
        cross = Line(encoder.logit_scale, -encoder.logit_scale * PRIOR_MIDPOINT["cross"])
    photo_scale = encoder.logit_scale / PRIOR_PHOTO_SPREAD
    lines: dict[Pair, Line] = {
        ("text", "text"): Line(sentence.logit_scale, -sentence.logit_scale * PRIOR_MIDPOINT["texts"]),
        ("text", "image"): cross,
        ("image", "text"): cross,
        ("image", "image"): Line(photo_scale, -photo_scale * PRIOR_MIDPOINT["photos"]),
    }
    return Calibration(lines, measured=False)


def calibration_from(stored: Mapping[str, object] | None, encoder: EncoderInfo, sentence: EncoderInfo) -> Calibration:
    """Read calibration.json's content; what it doesn't hold comes from the prior.

    Raises ValueError for a calibration that was made for another revision of the model.
    """
    base = prior(encoder, sentence)
    if stored is None:
        return base
    if stored.get("revision") != encoder.revision:
        made_for = stored.get("revision")
        raise ValueError(
            f"calibration.json was made for revision {made_for}, the model is {encoder.revision}: calibrate it again"
        )
    pairs = stored["pairs"]
    if not isinstance(pairs, Mapping):
        raise ValueError("calibration.json: `pairs` must be an object")
    fitted: dict[Pair, Line] = {}
    for pair in PAIRS:
        line = pairs.get("-".join(pair))
        if line is not None:
            fitted[pair] = Line(float(line["scale"]), float(line["bias"]))
    threshold = stored.get("threshold", DEFAULT_THRESHOLD)
    return Calibration({**base.lines, **fitted}, measured=bool(fitted), threshold=float(threshold))  # type: ignore[arg-type]


def unit_mean(vectors: Floats) -> Floats:
    """(n, dim) unit embeddings -> (dim,), their mean on the unit sphere (open_clip's build_zero_shot_classifier)."""
    mean = vectors.mean(axis=0)
    norm = float(np.linalg.norm(mean))
    # Opposite embeddings cancel out; then any direction is as good as another, and the first is a deterministic one.
    return np.asarray(mean / norm if norm > 1e-6 else vectors[0], dtype=np.float32)


def pool(log_odds: Sequence[Floats]) -> Floats:
    """Combine a label's modalities: the mean of their log-odds (a logarithmic opinion pool, Genest & Zidek 1986).

    Embeddings of different modalities are never averaged: the mean would lie in the gap between them (Liang et al. 2022).
    """
    return np.asarray(np.mean(log_odds, axis=0, dtype=np.float32))


def softmax(log_odds: Floats) -> Floats:
    """(n, labels) log-odds -> (n, labels) probabilities of labels that exclude each other; each row sums to 1."""
    wide = log_odds.astype(np.float64)
    exponentials = np.exp(wide - wide.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True), dtype=np.float32)


def sigmoid(log_odds: Floats) -> Floats:
    """Log-odds of any shape -> independent probabilities in 0..1."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * log_odds.astype(np.float64))), dtype=np.float32)


@dataclass(frozen=True)
class Ranked:
    """A label's standing for one sample: its index, its probability (0..1) and the cosine behind it (-1..1)."""

    index: int
    probability: float
    similarity: float


def rank(probabilities: Floats, similarities: Floats) -> list[list[Ranked]]:
    """(n, labels) each -> per sample all labels, best first; equal ones in the order of the request."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    return [
        [Ranked(int(k), float(row[k]), float(cosines[k])) for k in best]
        for best, row, cosines in zip(order, probabilities, similarities, strict=True)
    ]


def choose(ranked: Sequence[Ranked], *, multiple: bool, threshold: float, top_k: int | None) -> list[Ranked]:
    """Pick a sample's answer: the best label; with `multiple`, every one at or above `threshold`, and the best in any case."""
    if not multiple:
        return list(ranked[:1])
    most = len(ranked) if top_k is None else top_k
    chosen = [label for label in ranked if label.probability >= threshold][:most]
    return chosen or list(ranked[:1])
