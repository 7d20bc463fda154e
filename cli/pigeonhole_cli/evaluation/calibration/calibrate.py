"""Fit a calibration: coefficients per pair of sample type and label type, from labelled samples.

*Single label.* The coefficients are those of a conditional logit over random episodes (see episodes.py). All episodes
together have one likelihood, because "none of these" and negations have log-odds of zero (`scoring/log_odds.py`).

*Multiple labels.* A logistic regression per pair separates a sample's own labels from the others, both with the same total
weight. Its samples are photos of one thing and collages of two. The threshold of a sample type is the one with the best micro
F1 over random sets of ten labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image

from pigeonhole.inference.classifier import Classifier, Pixels
from pigeonhole.inference.image_loader import to_views
from pigeonhole.inference.scoring.calibration import Calibration, Coefficients, Modality, Pair, prior_calibration
from pigeonhole.inference.scoring.log_odds import sigmoid
from pigeonhole_cli.evaluation.calibration.episodes import (
    FEATURES,
    HUBNESS_SHARE,
    SEED,
    EmbeddedData,
    Episode,
    EpisodeSampler,
    compare,
    draw_examples,
    stack_episodes,
)
from pigeonhole_cli.evaluation.calibration.fit import Floats, balanced_logistic, conditional_logit
from pigeonhole_cli.evaluation.item import DataError

Bools = npt.NDArray[np.bool_]
Vectors = npt.NDArray[np.float32]

MIN_SAMPLES = 300  # with fewer samples, a calibration is probably worse than the prior
EPISODES = 6_000  # per data set
EXAMPLE_SETS = 3  # sets of example images per class
SAME_MEANING_COSINE = 0.8  # two names at least this similar mean the same: neither is a wrong label for the other's samples
MAX_COLLAGES = 1_000  # per data set
THRESHOLD_LABELS, THRESHOLD_SETS = 10, 4_000  # labels per set, and number of sets, for choosing a threshold


def calibrate(classifier: Classifier, data_sets: Sequence[EmbeddedData]) -> Calibration:
    """Fit a calibration for the classifier's model. A pair without data keeps the prior.

    Raises:
        DataError: The classes of a data set all mean the same.
    """
    rng = np.random.default_rng(SEED)
    training = _TrainingData()
    for data in data_sets:
        _add_data_set(training, classifier, data, rng)
    prior = prior_calibration(classifier.encoder.info)
    multiple, measured = dict(prior.multiple), set[Pair]()
    for pair, parts in training.rows.items():
        truth = np.concatenate([rows.truth for rows in parts])
        if truth.any() and not truth.all():
            fitted = balanced_logistic(np.concatenate([rows.features for rows in parts]), truth)
            multiple[pair] = _to_coefficients(pair, fitted)
            measured.add(pair)
    single = dict(prior.single)
    for sample_type, episodes in training.episodes.items():
        if episodes:
            by_label_type = conditional_logit(*stack_episodes(episodes)).reshape(2, FEATURES)
            pairs: tuple[Pair, Pair] = ((sample_type, "text"), (sample_type, "image"))
            for pair, fitted in zip(pairs, by_label_type, strict=True):
                # Too little data for one regression, such as one photo per class, is too little for the other as well.
                if pair in measured:
                    single[pair] = _to_coefficients(pair, fitted)
    best: dict[Modality, list[float]] = {}
    for threshold_data in training.threshold_data:
        threshold = _best_threshold(multiple[threshold_data.pair], threshold_data, rng)
        best.setdefault(threshold_data.pair[0], []).append(threshold)
    mean_thresholds = {sample_type: round(float(np.mean(values)), 2) for sample_type, values in best.items()}
    return Calibration(single, multiple, dict(prior.thresholds) | mean_thresholds, measured=frozenset(measured))


@dataclass(frozen=True)
class _Rows:
    """Rows for a pair's logistic regression.

    Attributes:
        features: `(rows, FEATURES)`.
        truth: `(rows,) bool`.
    """

    features: Floats
    truth: Bools


@dataclass(frozen=True)
class _ThresholdData:
    """Samples compared with all classes, for choosing a threshold.

    Attributes:
        pair: The types of sample and label.
        features: `(n, classes, FEATURES)`.
        truth: `(n, classes) bool`: each sample's own classes.
        wrong: `(n, classes) bool`: the classes that are wrong for a sample.
    """

    pair: Pair
    features: Floats
    truth: Bools
    wrong: Bools


@dataclass(frozen=True)
class _TrainingData:
    """What the coefficients and thresholds are fitted on, of all data sets."""

    episodes: dict[Modality, list[Episode]] = field(default_factory=lambda: {"image": [], "text": []})
    rows: dict[Pair, list[_Rows]] = field(default_factory=dict)
    threshold_data: list[_ThresholdData] = field(default_factory=list)

    def add_rows(self, pair: Pair, features: Floats, truth: Bools, wrong: Bools) -> None:
        """Add the classes that are right or wrong for a sample. NaN features are left out."""
        usable = ~np.isnan(features).any(axis=2) & (truth | wrong)
        self.rows.setdefault(pair, []).append(_Rows(features[usable], truth[usable]))


def _add_data_set(training: _TrainingData, classifier: Classifier, data: EmbeddedData, rng: np.random.Generator) -> None:
    different = _different_names(classifier, data.names)
    if not different.any():
        raise DataError(f"calibration needs classes that differ, and these mean the same: {', '.join(data.names)}")
    word_labels = classifier.embed_label_texts(data.type, data.names)
    by_words = compare(classifier, (data.type, "text"), data.vectors, word_labels)
    wrong = _wrong(data.truth, different)
    example_labels = [draw_examples(data, rng) for _ in range(EXAMPLE_SETS)] if data.pixels is not None else []
    if data.pixels is not None:
        names = _names_as_texts(classifier, data)
        names_sampler = EpisodeSampler(classifier, names, different, None, example_labels)
        training.episodes["text"] += [names_sampler.draw(rng) for _ in range(EPISODES // 4)]
        for labels in example_labels:
            features = compare(classifier, ("text", "image"), names.vectors, labels.vectors)
            training.add_rows(("text", "image"), features, names.truth, _wrong(names.truth, different))
        for labels in example_labels:
            features = compare(classifier, ("image", "image"), data.vectors, labels.vectors)
            for index, members in enumerate(labels.rows):
                features[members, index] = np.nan  # a sample isn't compared with itself
            training.add_rows(("image", "image"), features, data.truth, wrong)
        features, truth = _collages(classifier, data, data.pixels, word_labels, rng)
        collages_wrong = _wrong(truth, different)
        training.add_rows(("image", "text"), features, truth, collages_wrong)
        training.threshold_data.append(_ThresholdData(("image", "text"), features, truth, collages_wrong))
    sampler = EpisodeSampler(classifier, data, different, word_labels, example_labels)
    training.episodes[data.type] += [sampler.draw(rng) for _ in range(EPISODES)]
    training.add_rows((data.type, "text"), by_words, data.truth, wrong)
    training.threshold_data.append(_ThresholdData((data.type, "text"), by_words, data.truth, wrong))


def _to_coefficients(pair: Pair, fitted: Floats) -> Coefficients:
    cosine, background, bias = (round(float(value), 4) for value in fitted)
    hubness = round(-HUBNESS_SHARE * cosine, 4) if pair == ("text", "text") else 0.0
    return Coefficients(cosine=cosine, bias=bias, background=background, hubness=hubness)


def _names_as_texts(classifier: Classifier, data: EmbeddedData) -> EmbeddedData:
    """Return the class names as text samples, to be compared with example images."""
    vectors = classifier.encoder.encode_text([f"a photo of a {name}" for name in data.names])
    return EmbeddedData("text", vectors, np.arange(len(data.names)), data.names)


def _different_names(classifier: Classifier, names: Sequence[str]) -> Bools:
    """Return `(classes, classes) bool`: which name is wrong for which class."""
    vectors = classifier.sentence.encode_text(names)
    return np.asarray(vectors @ vectors.T < SAME_MEANING_COSINE) & ~np.eye(len(names), dtype=bool)


def _wrong(truth: Bools, different: Bools) -> Bools:
    """Return `(n, classes) bool`: the classes that differ from each of a sample's own classes."""
    return np.asarray((truth.astype(np.int64) @ ~different) == 0)


def _collages(
    classifier: Classifier, data: EmbeddedData, pixels: Pixels, word_labels: Vectors, rng: np.random.Generator
) -> tuple[Floats, Bools]:
    """Put photos of two classes side by side, and compare them with the classes' names.

    Each class is compared with its most similar view, by cosine less background. The classifier takes the view with the highest
    log-odds, but those need the coefficients that are fitted here.

    Returns:
        The features `(n, classes, FEATURES)`, and the classes of each collage `(n, classes) bool`.
    """
    pairs = []
    for first in rng.permutation(len(data.classes))[:MAX_COLLAGES]:
        pairs.append((first, rng.choice(np.flatnonzero(data.classes != data.classes[first]))))
    encoder = classifier.encoder
    rows = []
    for first, second in pairs:
        collage = Image.fromarray(np.concatenate([pixels[first], pixels[second]], axis=1))
        vectors = encoder.encode_image(to_views(encoder, collage, every_part=True))
        views = compare(classifier, ("image", "text"), vectors, word_labels)
        most_similar = (views[..., 0] - views[..., 1]).argmax(axis=0)
        rows.append(np.take_along_axis(views, most_similar[None, :, None], axis=0)[0])
    indices = np.array(pairs)
    return np.stack(rows), data.truth[indices[:, 0]] | data.truth[indices[:, 1]]


def _best_threshold(coefficients: Coefficients, data: _ThresholdData, rng: np.random.Generator) -> float:
    """Return the threshold with the best micro F1 over random label sets that contain all of a sample's own classes."""
    terms = np.array([coefficients.cosine, coefficients.background, coefficients.bias])
    probabilities = sigmoid((data.features @ terms).astype(np.float32))
    drawn: list[float] = []
    drawn_truth: list[bool] = []
    for row in rng.integers(0, len(data.truth), THRESHOLD_SETS):
        right = np.flatnonzero(data.truth[row])
        others = rng.permutation(np.flatnonzero(data.wrong[row]))[: max(0, THRESHOLD_LABELS - len(right))]
        drawn += [*probabilities[row, right], *probabilities[row, others]]
        drawn_truth += [True] * len(right) + [False] * len(others)
    scores, truth = np.array(drawn), np.array(drawn_truth)
    thresholds = np.arange(0.05, 0.96, 0.01)
    f1 = [2 * (truth & (scores >= threshold)).sum() / (truth.sum() + (scores >= threshold).sum()) for threshold in thresholds]
    return float(thresholds[int(np.argmax(f1))])
