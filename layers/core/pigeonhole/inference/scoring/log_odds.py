"""Turn cosine similarities into log-odds, probabilities and ranked labels. numpy only, without input or output.

Every formula uses one sample's row only, so an answer never depends on the other samples of a batch.

*Log-odds.* A sample's similarity to a label is compared with its similarity to generic concepts, the background. NegLabel
detects samples that no label fits in this way (Jiang et al. 2024, arXiv 2403.20078). So log-odds say how much likelier the
label is than "something else". Log-odds of zero mean that both are equally likely.

- A plain label has its log-odds o.
- "none of these" has log-odds 0, those of the background: it is chosen if no label is likelier. Beside a label "not X" it also
  says that "not X" is wrong, so it has log p(X), which is lower.
- "not X" also has log-odds 0 if X is one of the labels. So with two labels p(not X) = 1 - p(X) exactly. If X is none of the
  labels, "not X" has log p(not X) = -log(1 + exp(o)), which is close to 0 for every sample that isn't X.
- For several labels at once, p(not X) = 1 - p(X), and p(none) = 1 - the highest p of the other labels.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pigeonhole.inference.scoring.calibration import Evidence, Floats

# The share of the background concepts nearest to a label that is left out for that label: they mean the same as the label.
NEAR_SHARE = 0.02
# The prior odds of "not X" beside a third label. Of 1, 1.6, 2, 2.7, 4.5 and 7.4, two keeps most of the texts of the third label
# and most of those that only "not X" fits. docs/scoring.md has the figures.
NEGATION_ODDS = 2.0
# The scale of the cosines with photos where several of them are combined.
PHOTO_SCALE = 40.0
# The number of hyponyms that count as much as a word's own text. docs/scoring.md has the figures for other numbers.
HYPONYM_PRIOR = 30


def compute_evidence(
    samples: Floats, labels: Floats, background: Floats, scale: float, *, texts: Floats | None = None
) -> Evidence:
    """Compare embedded samples with embedded labels and with background concepts.

    Each label has a background of its own, so no label changes the evidence for another label.

    Subtracting a label's hubness is the same as centring the samples on `texts` (hubness: Radovanović et al. 2010).

    Args:
        samples: Embeddings, (n, dim) float32.
        labels: Embeddings, (labels, dim) float32.
        background: Embeddings of the background concepts, (m, dim) float32.
        scale: The model's logit scale, > 0.
        texts: Embeddings of generic texts, (k, dim) float32. The hubness of a label is its mean cosine with them.
    """
    return Evidence(
        cosines=samples @ labels.T,
        background=background_value(samples @ background.T, nearest_to_each(labels @ background.T), scale),
        hubness=np.zeros(len(labels), dtype=np.float32) if texts is None else (labels @ texts.T).mean(axis=1),
    )


def add_hyponyms(values: Floats, class_values: Floats, hyponyms: Sequence[npt.NDArray[np.intp]]) -> Floats:
    """Let each label with hyponyms count by its own text and by these.

    "animal" is a hypernym of "cat" (a more general word), and "cat" a hyponym of "animal". In a space of texts, a photo of a
    cat is near to "cat" and far from "animal". So a general label's value is the soft mean of that of its own text, and of the
    soft mean of those of its hyponyms. The soft mean is nearly that of the best ones, so few of many hyponyms suffice. The
    hyponyms weigh count / (count + HYPONYM_PRIOR): the more a word names, the less its own text says of each.

    Args:
        values: A value of each label's own text, such as its cosines with photos, (n, labels) float32.
        class_values: The same value of each trained class, (n, classes) float32.
        hyponyms: The indices of the classes that each label names. Most labels name none.

    Returns:
        (n, labels) float32.
    """
    result = values.copy()
    for column, indices in enumerate(hyponyms):
        if len(indices):
            of_hyponyms = soft_mean(class_values[:, indices], axis=1)
            weights = np.array([HYPONYM_PRIOR, len(indices)]) / (HYPONYM_PRIOR + len(indices))
            result[:, column] = soft_mean(np.stack([values[:, column], of_hyponyms]), axis=0, weights=weights)
    return result


def soft_mean(cosines: Floats, axis: int, weights: npt.NDArray[np.float64] | None = None) -> Floats:
    """Return log(mean(exp(PHOTO_SCALE * cosines))) / PHOTO_SCALE over an axis. It lies between the mean and the maximum.

    Args:
        cosines: The values, of any shape.
        axis: The axis.
        weights: The weights of the mean, as long as the axis. None for equal weights.
    """
    scaled = PHOTO_SCALE * cosines
    highest = scaled.max(axis=axis, keepdims=True)
    means = np.average(np.exp(scaled - highest), axis=axis, weights=weights)
    return np.asarray((highest.squeeze(axis) + np.log(means)) / PHOTO_SCALE, dtype=np.float32)


def nearest_to_each(cosines: Floats) -> npt.NDArray[np.bool_]:
    """Mark for each label the nearest NEAR_SHARE of the background concepts.

    Args:
        cosines: Cosines of labels with concepts, (labels, m) float32.

    Returns:
        Whether a concept is left out for a label, (labels, m) bool.
    """
    count = round(NEAR_SHARE * cosines.shape[1])
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
    left_out = np.zeros(cosines.shape, dtype=bool)
    np.put_along_axis(left_out, nearest, values=True, axis=1)
    return left_out


def background_value(cosines: Floats, left_out: npt.NDArray[np.bool_], scale: float) -> Floats:
    """Compute the background value of each sample, in cosine units: log-sum-exp(scale * cosines) / scale.

    This is the denominator of NegLabel's score (equation 4), over the concepts that aren't left out.

    Args:
        cosines: Cosines of samples with concepts, (n, m) float32.
        left_out: Whether a concept is left out for a label, (labels, m) bool.
        scale: The model's logit scale, > 0.

    Returns:
        The background value of each sample for each label, (n, labels) float32.
    """
    scaled = scale * cosines.astype(np.float64)
    highest = scaled.max(axis=1, keepdims=True)
    sums = np.exp(scaled - highest) @ (~left_out).T.astype(np.float64)
    return np.asarray((highest + np.log(np.maximum(sums, np.finfo(np.float64).tiny))) / scale, dtype=np.float32)


def unit_mean(vectors: Floats, weights: Sequence[float] | None = None) -> Floats:
    """Return the mean of unit embeddings on the unit sphere (open_clip's build_zero_shot_classifier).

    Args:
        vectors: Unit embeddings, (n, dim) float32, n > 0.
        weights: The weight of each embedding, > 0; None for equal weights.

    Returns:
        A unit embedding, (dim,) float32.
    """
    mean = vectors.mean(axis=0) if weights is None else np.average(vectors, axis=0, weights=weights)
    norm = float(np.linalg.norm(mean))
    # Opposite embeddings cancel out. No direction is better than another then, and the first embedding is a deterministic one.
    return np.asarray(mean / norm if norm > 1e-6 else vectors[0], dtype=np.float32)


def mean_log_odds(log_odds: Sequence[Floats]) -> Floats:
    """Combine the parts of a label: the mean of their log-odds (a logarithmic opinion pool, Genest & Zidek 1986).

    Embeddings of different modalities are never averaged: the mean would lie in the gap between them (Liang et al. 2022).
    """
    if len(log_odds) == 1:
        return log_odds[0]
    return np.asarray(np.mean(log_odds, axis=0, dtype=np.float32))


def negated_log_odds(log_odds: Floats, *, among_labels: bool, multiple: bool) -> Floats:
    """Return the log-odds of "not X", as the docstring of this module derives them.

    Args:
        log_odds: The log-odds of X, (n,) float32.
        among_labels: Whether X is one of the labels.
        multiple: Whether several labels may be right.
    """
    if multiple:
        return -log_odds
    if among_labels:
        return np.zeros_like(log_odds)
    return log_sigmoid(-log_odds)


def topic_shift(log_odds: Floats, denial: Floats) -> Floats:
    """Return by how much the log-odds of the labels X and "not X" change together, for text samples and one right label.

    "not interested" is no catch-all beside "interested" and "out of office": it means a text of that topic. So both share the
    log-odds of the topic: t = max(o, d), where d are those of the text "not X" itself. A negation is true of more texts than
    its topic has, so its prior odds are twice as high, as long as t is below 0: t = max(t, min(0, t + log 2)). The difference
    between X and "not X" stays o: X gets t - log(1 + exp(-o)), and "not X" gets t - log(1 + exp(o)).

    Args:
        log_odds: The log-odds o of X, (n,) float32.
        denial: The log-odds d of the text "not X", (n,) float32.
    """
    likelier = np.maximum(log_odds, denial)
    topic = np.maximum(likelier, np.minimum(0.0, likelier + math.log(NEGATION_ODDS)))
    return np.asarray(topic + log_sigmoid(-log_odds), dtype=np.float32)


def none_log_odds(
    log_odds: Sequence[Floats], negated: Sequence[tuple[Floats, Floats]], count: int, *, multiple: bool
) -> Floats:
    """Return the log-odds of "none of these", (n,) float32.

    Args:
        log_odds: The log-odds of each other label, (n,) float32 each.
        negated: The log-odds of each negation and of the thing that it negates, (n,) float32 each.
        count: n, which counts if there is no other label.
        multiple: Whether several labels may be right.
    """
    if multiple and log_odds:
        return np.asarray(-np.max(log_odds, axis=0), dtype=np.float32)
    # Where a label "not X" is right, "none of these" is wrong. It is as much less likely as X is.
    beside = [np.minimum(negation, 0.0) + log_sigmoid(thing) for negation, thing in negated]
    return np.asarray(np.min([np.zeros(count, dtype=np.float32), *beside], axis=0), dtype=np.float32)


def softmax(log_odds: Floats) -> Floats:
    """Turn log-odds of labels that exclude each other into probabilities.

    Args:
        log_odds: (n, labels) float32.

    Returns:
        Probabilities, (n, labels) float32. Each row sums to 1.
    """
    wide = log_odds.astype(np.float64)
    exponentials = np.exp(wide - wide.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True), dtype=np.float32)


def sigmoid(log_odds: Floats) -> Floats:
    """Turn log-odds of any shape into independent probabilities in 0..1."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * log_odds.astype(np.float64))), dtype=np.float32)


def log_sigmoid(log_odds: Floats) -> Floats:
    """Turn log-odds o of any shape into log-probabilities: log p = -log(1 + exp(-o))."""
    return np.asarray(-np.logaddexp(0.0, -log_odds.astype(np.float64)), dtype=np.float32)


@dataclass(frozen=True)
class RankedLabel:
    """The score of one label for one sample.

    Attributes:
        index: The index of the label in the request.
        probability: The probability of the label, 0..1.
        similarity: The cosine similarity behind it, -1..1.
    """

    index: int
    probability: float
    similarity: float


def rank(probabilities: Floats, similarities: Floats) -> list[list[RankedLabel]]:
    """Rank the labels of each sample, best first. Labels of equal probability keep the order of the request.

    Args:
        probabilities: (n, labels) float32.
        similarities: (n, labels) float32.
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")
    return [
        [RankedLabel(int(k), float(row[k]), float(cosines[k])) for k in best]
        for best, row, cosines in zip(order, probabilities, similarities, strict=True)
    ]


def choose(
    ranked: Sequence[RankedLabel], *, multiple: bool, threshold: float, top_k: int | None, none: Collection[int] = ()
) -> list[RankedLabel]:
    """Choose the predictions of one sample.

    If one label is right, the prediction is the best label, and empty if that label is below the threshold.

    If several labels may be right, the prediction is every label that reaches the threshold, and never empty. If no label
    reaches it, it is the best of the labels that mean none of the others, or else the best label.

    Args:
        ranked: All labels, best first.
        multiple: Whether several labels may be right.
        threshold: The lowest probability of a label.
        top_k: The largest number of labels, None for no limit.
        none: The indices of the labels that mean none of the others.
    """
    if not multiple:
        return [label for label in ranked[:1] if label.probability >= threshold]
    chosen = [label for label in ranked if label.probability >= threshold and label.index not in none]
    return chosen[:top_k] or [label for label in ranked if label.index in none][:1] or list(ranked[:1])
