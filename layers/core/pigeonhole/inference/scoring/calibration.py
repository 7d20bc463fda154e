"""Calibration: what turns the cosines of a model into log-odds, fitted per pair of sample and label type, or a prior.

A cosine means different things for different pairs: two photos of one thing are two to three times as similar as a photo and
its name. So each pair has weights of its own, and their log-odds can be compared: log p(it is the label) - log p(it is
something else), at even prior odds. There are two sets: one for labels that exclude each other, one for several labels at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from pigeonhole.inference.encoders.base import EncoderInfo

Floats = npt.NDArray[np.float32]
Modality = Literal["text", "image"]
Pair = tuple[Modality, Modality]  # (sample type, label type)

PAIRS: tuple[Pair, ...] = (("text", "text"), ("text", "image"), ("image", "text"), ("image", "image"))
FORMAT = 3  # of calibration.json

# The prior of several labels: the cosine at which "it is the label" and "it is not" are equally likely. Softmax-trained CLIPs
# put a photo's own caption near 0.3 and another's near 0.15 (Radford et al. 2021, their released models); two photos of one
# class near 0.8, of two classes near 0.5.
MIDPOINT = {"cross": 0.22, "photos": 0.65}
# Photo-to-photo cosines spread about five times as wide as photo-to-text ones, so they deserve a fifth of the scale.
PHOTO_SPREAD = 5.0
DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class Evidence:
    """What samples and labels have in common, all in cosine units (see scoring.py).

    `cosines`: (n, labels); `background`: (n, labels), what generic concepts weigh for a sample; `hubness`: (labels,), how close
    a label is to texts at large, 0 where no texts are compared.
    """

    cosines: Floats
    background: Floats
    hubness: Floats


@dataclass(frozen=True)
class Coefficients:
    """log-odds = cosine * c + background * b + hubness * h + bias: a logistic regression's coefficients (Platt 1999)."""

    cosine: float
    bias: float
    background: float = 0.0
    hubness: float = 0.0

    def log_odds(self, evidence: Evidence) -> Floats:
        """Natural log-odds, (n, labels), that a sample is of a label."""
        constant = self.hubness * evidence.hubness + self.bias
        odds = self.cosine * evidence.cosines + self.background * evidence.background + constant
        return np.asarray(odds, dtype=np.float32)


@dataclass(frozen=True)
class Calibration:
    """`single`: weights for labels that exclude each other; `multiple`: for several at once.

    `thresholds`: the probability from which on each of several labels is chosen, per type of sample; `measured`: the pairs that
    were fitted on data; the others lean on the prior.
    """

    single: Mapping[Pair, Coefficients]
    multiple: Mapping[Pair, Coefficients]
    thresholds: Mapping[Modality, float]
    measured: frozenset[Pair] = frozenset()

    @property
    def of_photos(self) -> bool:
        """Whether photos against words were measured: what "calibrated" means of a model."""
        return ("image", "text") in self.measured

    def content(self, revision: str, measured_on: Sequence[str]) -> dict[str, Any]:
        """The content of calibration.json: only what was measured."""
        return {
            "format": FORMAT,
            "revision": revision,
            **{
                name: {"-".join(pair): asdict(table[pair]) for pair in PAIRS if pair in self.measured}
                for name, table in (("single", self.single), ("multiple", self.multiple))
            },
            "thresholds": {kind: value for kind, value in self.thresholds.items() if (kind, "text") in self.measured},
            "measured_on": list(measured_on),
        }


# Fitted for all-MiniLM-L6-v2, which compares texts with text labels beside every model (docs/models.md has the data and the
# command), so this pair never needs a calibration of its own.
SENTENCE_SINGLE = Coefficients(cosine=16.7, bias=2.01, background=-12.0, hubness=-8.36)
SENTENCE_MULTIPLE = Coefficients(cosine=8.13, bias=5.81, background=-16.3, hubness=-4.07)
SENTENCE_THRESHOLD = 0.51  # the best micro F1 over ten labels, on the same sets


def prior(encoder: EncoderInfo) -> Calibration:
    """Weights for a model without a calibration: its own logit scale, and its own bias or else the midpoints above.

    One label: NegLabel's score, whether a label outweighs all background concepts together in the model's own softmax (Jiang et
    al. 2024, arXiv 2403.20078, equation 4).
    """
    scale = encoder.logit_scale
    photos = Coefficients(scale / PHOTO_SPREAD, -scale / PHOTO_SPREAD * MIDPOINT["photos"])
    against_background = Coefficients(scale, 0.0, background=-scale)
    cross = Coefficients(scale, encoder.logit_bias if encoder.activation == "sigmoid" else -scale * MIDPOINT["cross"])
    single: dict[Pair, Coefficients] = {
        ("text", "text"): SENTENCE_SINGLE,
        ("text", "image"): against_background,
        ("image", "text"): against_background,
        ("image", "image"): photos,
    }
    multiple: dict[Pair, Coefficients] = {
        ("text", "text"): SENTENCE_MULTIPLE,
        ("text", "image"): cross,
        ("image", "text"): cross,
        ("image", "image"): photos,
    }
    thresholds: dict[Modality, float] = {"text": SENTENCE_THRESHOLD, "image": DEFAULT_THRESHOLD}
    return Calibration(single, multiple, thresholds, measured=frozenset({("text", "text")}))


def calibration_from(stored: Mapping[str, Any] | None, encoder: EncoderInfo) -> Calibration:
    """Read calibration.json's content; what it doesn't hold comes from the prior.

    Raises ValueError for one of another format, or made for another revision of the model.
    """
    base = prior(encoder)
    if stored is None:
        return base
    if stored.get("revision") != encoder.revision:
        made_for = stored.get("revision")
        raise ValueError(
            f"calibration.json was made for revision {made_for}, the model is {encoder.revision}: calibrate it again"
        )
    if stored.get("format") != FORMAT:
        raise ValueError(f"calibration.json is of format {stored.get('format', 1)}, not {FORMAT}: calibrate it again")
    single, multiple = (_read(stored, name) for name in ("single", "multiple"))
    if single.keys() != multiple.keys():
        raise ValueError("calibration.json: `single` and `multiple` must hold the same pairs")
    thresholds = stored.get("thresholds", {})
    if not isinstance(thresholds, Mapping) or not all(_is_probability(each) for each in thresholds.values()):
        raise ValueError("calibration.json: `thresholds` must give types of samples a number from 0 to 1")
    return Calibration(
        {**base.single, **single},
        {**base.multiple, **multiple},
        {kind: float(thresholds.get(kind, value)) for kind, value in base.thresholds.items()},
        measured=base.measured | single.keys(),
    )


def _read(stored: Mapping[str, Any], name: str) -> dict[Pair, Coefficients]:
    table = stored.get(name)
    if not isinstance(table, Mapping):
        raise ValueError(f"calibration.json: `{name}` must be an object")
    found: dict[Pair, Coefficients] = {}
    for pair in PAIRS:
        if (weights := table.get("-".join(pair))) is not None:
            try:
                found[pair] = Coefficients(**weights)
            except TypeError:
                weights = None
            if weights is None or not all(map(_is_number, weights.values())):
                raise ValueError(f"calibration.json: `{name}` must give each pair cosine, bias, background and hubness")
    return found


def _is_probability(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
