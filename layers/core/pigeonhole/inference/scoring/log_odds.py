"""Scoring: cosine similarities -> calibrated log-odds -> probabilities -> ranked labels. numpy only, and pure.

Every formula works on one sample's row at a time, so an answer never depends on the other samples of a batch.

*Log-odds.* What a sample has in common with a label is weighed against what it has in common with generic concepts, the
background, as NegLabel does to tell what is none of the labels (Jiang et al. 2024, arXiv 2403.20078). So log-odds say how much
likelier the label is than "something else": zero is the background itself.

- A plain label stands at its log-odds o.
- "none of these" stands at the background, 0: it is chosen when no label beats that. Beside "not X" it says that this is wrong,
  too, and stands at log p(X), which is below.
- "not X" stands at the background, too, where X is among the labels, so that with two labels p(not X) = 1 - p(X) exactly; else
  at log p(not X) = -log(1 + exp(o)), which is close to the background for whatever isn't X.
- For several labels at once, p(not X) = 1 - p(X), and p(none) = 1 - the highest p of the others.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pigeonhole.inference.scoring.calibration import Evidence, Floats

# Of the background's concepts, the part nearest to a label that is left out when that label is weighed: they mean the same.
NEAR_SHARE = 0.02
MOST_NEAR = 0.3  # of the concepts that are left out for all of a request's labels, at most: a hundred labels would leave none


def evidence(
    samples: Floats, labels: Floats, background: Floats, scale: float, *, exclusive: bool, texts: Floats | None = None
) -> Evidence:
    """Compare embedded samples, (n, dim), with labels, (labels, dim), against background concepts, (m, dim).

    `scale`: the model's logit scale; `exclusive`: whether the labels exclude each other. Then all meet one background, which
    leaves their order to the cosines; else each meets its own, which leaves it the same whatever stands beside it.
    `texts`: (k, dim) texts at large, by which a label's hubness is measured: its mean cosine with them. Subtracting that is the
    same as centring the samples on those texts (hubness: Radovanović et al. 2010).
    """
    nearness = labels @ background.T
    left_out = near_any(nearness) if exclusive else near(nearness)
    weight = background_weight(samples @ background.T, left_out, scale)
    return Evidence(
        cosines=samples @ labels.T,
        background=np.broadcast_to(weight, (len(samples), len(labels))),
        hubness=np.zeros(len(labels), dtype=np.float32) if texts is None else (labels @ texts.T).mean(axis=1),
    )


def near(cosines: Floats) -> npt.NDArray[np.bool_]:
    """Cosines of labels with background concepts, (labels, m) -> bool (labels, m): the nearest NEAR_SHARE to each label."""
    count = round(NEAR_SHARE * cosines.shape[1])
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
    left_out = np.zeros(cosines.shape, dtype=bool)
    np.put_along_axis(left_out, nearest, values=True, axis=1)
    return left_out


def near_any(cosines: Floats) -> npt.NDArray[np.bool_]:
    """Cosines of labels with background concepts, (labels, m) -> bool (1, m): what is near any label, MOST_NEAR at most."""
    nearness = np.where(near(cosines), cosines, -np.inf).max(axis=0)
    count = min(int(np.isfinite(nearness).sum()), round(MOST_NEAR * len(nearness)))
    left_out = np.zeros((1, len(nearness)), dtype=bool)
    left_out[0, np.argsort(-nearness, kind="stable")[:count]] = True
    return left_out


def background_weight(cosines: Floats, left_out: npt.NDArray[np.bool_], scale: float) -> Floats:
    """What the background weighs for each sample, in cosine units: log-sum-exp(scale * cosines) / scale.

    `cosines`: (n, m) of samples with concepts; `left_out`: bool (labels, m); `scale`: the model's logit scale, > 0.
    Returns (n, labels): the denominator of NegLabel's score (equation 4), of the concepts that aren't left out.
    """
    scaled = scale * cosines.astype(np.float64)
    highest = scaled.max(axis=1, keepdims=True)
    sums = np.exp(scaled - highest) @ (~left_out).T.astype(np.float64)
    return np.asarray((highest + np.log(np.maximum(sums, np.finfo(np.float64).tiny))) / scale, dtype=np.float32)


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


def without(log_odds: Floats, *, among_labels: bool, multiple: bool) -> Floats:
    """(n,) log-odds o of X -> those of "not X", as the module's docstring derives them. `among_labels`: whether X is."""
    if multiple:
        return -log_odds
    if among_labels:
        return np.zeros_like(log_odds)
    return log_sigmoid(-log_odds)


def none_of(log_odds: Sequence[Floats], negated: Sequence[Floats], count: int, *, multiple: bool) -> Floats:
    """Log-odds of "none of these", (n,), from those of each other label and of each thing that a label says it is not.

    `count`: n, should there be no other label.
    """
    if multiple and log_odds:
        return np.asarray(-np.max(log_odds, axis=0), dtype=np.float32)
    return np.asarray(np.min([np.zeros(count, dtype=np.float32), *(log_sigmoid(odds) for odds in negated)], axis=0))


def softmax(log_odds: Floats) -> Floats:
    """(n, labels) log-odds -> (n, labels) probabilities of labels that exclude each other; each row sums to 1."""
    wide = log_odds.astype(np.float64)
    exponentials = np.exp(wide - wide.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True), dtype=np.float32)


def sigmoid(log_odds: Floats) -> Floats:
    """Log-odds of any shape -> independent probabilities in 0..1."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * log_odds.astype(np.float64))), dtype=np.float32)


def log_sigmoid(log_odds: Floats) -> Floats:
    """Log-odds o of any shape -> log p = -log(1 + exp(-o))."""
    return np.asarray(-np.logaddexp(0.0, -log_odds.astype(np.float64)), dtype=np.float32)


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


def choose(
    ranked: Sequence[Ranked], *, multiple: bool, threshold: float, top_k: int | None, none: Collection[int] = ()
) -> list[Ranked]:
    """Pick a sample's answer: the best label; with `multiple`, every one at or above `threshold`, best first.

    `none`: indices of the labels that mean none of the others. They exclude the others: the best of them is the answer where no
    other reaches the threshold. Where there is no such label, the best one is the answer in any case.
    """
    if not multiple:
        return list(ranked[:1])
    chosen = [label for label in ranked if label.probability >= threshold and label.index not in none]
    return chosen[:top_k] or [label for label in ranked if label.index in none][:1] or list(ranked[:1])
