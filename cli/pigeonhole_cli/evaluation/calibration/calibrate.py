"""Fit a calibration: coefficients per pair of sample type and label type, from labelled samples.

*Single label.* The coefficients are those of a conditional logit over random episodes (see episodes.py). All episodes
together have one likelihood, because "none of these" and negations have log-odds of zero (`scoring/log_odds.py`). Each family
of data sets has as many episodes. left_out.py measures how well the coefficients suit other families.

*Multiple labels.* A logistic regression per pair separates a sample's own labels from the others, both with the same total
weight. Its samples are photos of one thing and collages of two. The threshold of a sample type is the one with the best micro
F1 over random sets of ten labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image

from pigeonhole.inference.classifier import Classifier, Pixels
from pigeonhole.inference.encoders.base import is_encoder
from pigeonhole.inference.images.in_process_decoder import make_views
from pigeonhole.inference.photo_comparison import LabelEmbedding
from pigeonhole.inference.scoring.calibration import Calibration, Coefficients, Modality, Pair, prior_calibration
from pigeonhole.inference.scoring.log_odds import sigmoid
from pigeonhole_cli.evaluation.calibration.episodes import (
    FEATURES,
    HUBNESS_SHARES,
    SEED,
    EmbeddedData,
    Episode,
    EpisodeSampler,
    compare,
    draw_examples,
    hold_hubness,
    stack_episodes,
)
from pigeonhole_cli.evaluation.calibration.fit import Floats, balanced_logistic, conditional_logit
from pigeonhole_cli.evaluation.calibration.left_out import LeftOut, measure_left_out, name_families
from pigeonhole_cli.evaluation.item import DataError

Bools = npt.NDArray[np.bool_]
Vectors = npt.NDArray[np.float32]

MIN_SAMPLES = 300  # with fewer samples, a calibration is probably worse than the prior
EPISODES = 12_000  # of photos, and of texts
EXAMPLE_SETS = 3  # sets of example images per class
SAME_MEANING_COSINE = 0.8  # two names at least this similar mean the same: neither is a wrong label for the other's samples
FOREIGN_MEANING_COSINE = 0.6  # the same for names of two data sets, which weren't chosen to exclude each other
MAX_COLLAGES = 1_000
THRESHOLD_LABELS, THRESHOLD_SETS = 10, 4_000  # labels per set, and number of sets, for choosing a threshold


@dataclass(frozen=True)
class Fitted:
    """A calibration, and how good it is on data that it wasn't fitted on.

    Attributes:
        calibration: The calibration.
        left_out: The errors on families of data sets that were left out, per sample type with at least two.
    """

    calibration: Calibration
    left_out: Mapping[Modality, LeftOut]


def fit(classifier: Classifier, data_sets: Sequence[EmbeddedData]) -> Fitted:
    """Fit a calibration for the classifier's model. A pair without data keeps the prior.

    Raises:
        DataError: There is no data set, or the classes of one all mean the same.
    """
    if not data_sets:
        raise DataError("no set has two labels that name a thing each, so there is nothing to fit")
    rng = np.random.default_rng(SEED)
    training = _TrainingData()
    all_labels = [_ClassLabels.embed(classifier, data) for data in data_sets]
    for data, labels in zip(data_sets, all_labels, strict=True):
        others = [other for other in all_labels if other.data.type == data.type and other is not labels]
        _add_data_set(training, classifier, labels, others, rng)
    prior = prior_calibration(classifier.encoder.info)
    multiple, measured = dict(prior.multiple), set[Pair]()
    single, left_out = dict(prior.single), dict[Modality, LeftOut]()
    stacked = {sample_type: stack_episodes(episodes) for sample_type, episodes in training.episodes.items() if episodes}
    held: dict[Pair, float] = {}
    for sample_type, (features, present, right) in stacked.items():
        families = [episode.family for episode in training.episodes[sample_type]]
        if sample_type == "text" or len(name_families(families)) < 2:
            # Texts have no hubness for example images.
            label_types: tuple[Modality, ...] = ("text",) if sample_type == "text" else ("text", "image")
            held |= {(sample_type, label_type): HUBNESS_SHARES[sample_type] for label_type in label_types}
            hold_hubness(features, HUBNESS_SHARES[sample_type])
        if errors := measure_left_out(features, present, right, families):
            left_out[sample_type] = errors
    for pair, parts in training.rows.items():
        truth = np.concatenate([rows.truth for rows in parts])
        if truth.any() and not truth.all():
            features = np.concatenate([rows.features for rows in parts])
            if pair in held:
                hold_hubness(features, held[pair])
            multiple[pair] = _to_coefficients(balanced_logistic(features, truth), held.get(pair))
            measured.add(pair)
    for sample_type, episodes in stacked.items():
        by_label_type = conditional_logit(*episodes).reshape(2, FEATURES)
        pairs: tuple[Pair, Pair] = ((sample_type, "text"), (sample_type, "image"))
        for pair, fitted in zip(pairs, by_label_type, strict=True):
            # Too little data for one regression, such as one photo per class, is too little for the other as well.
            if pair in measured:
                single[pair] = _to_coefficients(fitted, held.get(pair))
    best: dict[Modality, list[float]] = {}
    for threshold_data in training.threshold_data:
        threshold = _best_threshold(multiple[threshold_data.pair], threshold_data, rng)
        best.setdefault(threshold_data.pair[0], []).append(threshold)
    mean_thresholds = {sample_type: round(float(np.mean(values)), 2) for sample_type, values in best.items()}
    thresholds = dict(prior.thresholds) | mean_thresholds
    weights = classifier.calibration.multilingual
    return Fitted(Calibration(single, multiple, thresholds, frozenset(measured), weights), left_out)


@dataclass(frozen=True)
class _ClassLabels:
    """The classes of a data set as labels.

    Attributes:
        data: The data set.
        by_words: The classes described by words.
        meanings: The names in the sentence encoder, `(classes, dim)`.
    """

    data: EmbeddedData
    by_words: list[LabelEmbedding]
    meanings: Vectors

    @classmethod
    def embed(cls, classifier: Classifier, data: EmbeddedData) -> _ClassLabels:
        by_words = classifier.embed_label_texts(data.type, data.names)
        # A cross-encoder gives no embeddings, so the image-text encoder says which names mean the same.
        encoder = classifier.sentence if is_encoder(classifier.sentence) else classifier.encoder
        return cls(data, by_words, encoder.encode_text(data.names))


def _share(data: EmbeddedData, others: Sequence[EmbeddedData]) -> float:
    """Return a data set's share of the episodes: an equal one for each family, and in it for each set."""
    families = {other.family or id(other) for other in (data, *others)}
    return 1 / len(families) / (1 + sum(other.family == data.family for other in others if data.family))


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

    def add_rows(self, pair: Pair, features: Floats, truth: Bools, wrong: Bools, rng: np.random.Generator) -> None:
        """Add the classes that are right or wrong for a sample, few of the wrong ones. NaN features are left out.

        A set of many classes would otherwise outweigh the others.
        """
        order = np.where(wrong, rng.random(wrong.shape), np.inf).argsort(axis=1).argsort(axis=1)
        usable = ~np.isnan(features).any(axis=2) & (truth | (wrong & (order < THRESHOLD_LABELS)))
        self.rows.setdefault(pair, []).append(_Rows(features[usable], truth[usable]))


def _add_data_set(
    training: _TrainingData,
    classifier: Classifier,
    classes: _ClassLabels,
    others: Sequence[_ClassLabels],
    rng: np.random.Generator,
) -> None:
    """Add a data set's part of the training data.

    Args:
        training: The training data to add to.
        classifier: The classifier whose features are used.
        classes: The data set and its classes as labels.
        others: The other data sets of this sample type. Their labels are wrong labels in some episodes.
        rng: Makes the random choices.
    """
    data, word_labels = classes.data, classes.by_words
    share = _share(data, [other.data for other in others])
    different = ~np.eye(len(data.names), dtype=bool)
    if not data.name:
        different &= classes.meanings @ classes.meanings.T < SAME_MEANING_COSINE
    if not different.any():
        raise DataError(f"calibration needs classes that differ, and these mean the same: {', '.join(data.names)}")
    all_labels = [*word_labels, *(label for other in others for label in other.by_words)]
    by_all_words = compare(classifier, (data.type, "text"), data.vectors, all_labels)
    by_words = by_all_words[:, : len(data.names)]
    wrong = _wrong(data.truth, different)
    by_examples: list[Floats] = []
    if data.pixels is not None:
        example_labels = [draw_examples(data, rng) for _ in range(EXAMPLE_SETS)]
        names = _names_as_texts(classifier, data)
        names_by_examples = [compare(classifier, ("text", "image"), names.vectors, labels.labels) for labels in example_labels]
        names_sampler = EpisodeSampler(names, different, None, names_by_examples)
        training.episodes["text"] += [names_sampler.draw(rng) for _ in range(max(1, round(share * EPISODES / 8)))]
        for features in names_by_examples:
            training.add_rows(("text", "image"), features, names.truth, _wrong(names.truth, different), rng)
        for labels in example_labels:
            features = compare(classifier, ("image", "image"), data.vectors, labels.labels)
            for index, members in enumerate(labels.rows):
                features[members, index] = np.nan  # a sample isn't compared with itself
            training.add_rows(("image", "image"), features, data.truth, wrong, rng)
            by_examples.append(features)
        features, truth = _collages(classifier, data, data.pixels, word_labels, round(share * MAX_COLLAGES) or 1, rng)
        collages_wrong = _wrong(truth, different)
        training.add_rows(("image", "text"), features, truth, collages_wrong, rng)
        training.threshold_data.append(_ThresholdData(("image", "text"), features, truth, collages_wrong))
    foreign = [classes.meanings @ other.meanings.T < FOREIGN_MEANING_COSINE for other in others]
    sampler = EpisodeSampler(data, np.concatenate([different, *foreign], axis=1), by_all_words, by_examples)
    training.episodes[data.type] += [sampler.draw(rng) for _ in range(max(1, round(share * EPISODES)))]
    training.add_rows((data.type, "text"), by_words, data.truth, wrong, rng)
    training.threshold_data.append(_ThresholdData((data.type, "text"), by_words, data.truth, wrong))


def _to_coefficients(fitted: Floats, share: float | None) -> Coefficients:
    """Return fitted values as coefficients. The hubness has the given share of the cosine's, or what was fitted."""
    cosine, background, bias, hubness = (round(float(value), 4) + 0.0 for value in fitted)  # no -0.0
    return Coefficients(cosine, bias, background, hubness if share is None else round(-share * cosine, 4) + 0.0)


def _names_as_texts(classifier: Classifier, data: EmbeddedData) -> EmbeddedData:
    """Return the class names as text samples, to be compared with example images."""
    vectors = classifier.encoder.encode_text([f"a photo of a {name}" for name in data.names])
    return EmbeddedData("text", vectors, np.arange(len(data.names)), data.names)


def _wrong(truth: Bools, different: Bools) -> Bools:
    """Return `(n, classes) bool`: the classes that differ from each of a sample's own classes."""
    return np.asarray((truth.astype(np.int64) @ ~different) == 0)


def _collages(
    classifier: Classifier,
    data: EmbeddedData,
    pixels: Pixels,
    word_labels: Sequence[LabelEmbedding],
    count: int,
    rng: np.random.Generator,
) -> tuple[Floats, Bools]:
    """Put photos of two classes side by side, and compare them with the classes' names.

    Each class is compared with its most similar view, by cosine less background. The classifier takes the view with the highest
    log-odds, but those need the coefficients that are fitted here.

    Returns:
        The features `(n, classes, FEATURES)`, and the classes of each collage `(n, classes) bool`.
    """
    pairs = []
    for first in rng.permutation(len(data.classes))[:count]:
        pairs.append((first, rng.choice(np.flatnonzero(data.classes != data.classes[first]))))
    encoder = classifier.encoder
    rows = []
    for first, second in pairs:
        collage = Image.fromarray(np.concatenate([pixels[first], pixels[second]], axis=1))
        vectors = encoder.encode_image(make_views(encoder.fit, collage, every_part=True))
        views = compare(classifier, ("image", "text"), vectors, word_labels)
        most_similar = (views[..., 0] - views[..., 1]).argmax(axis=0)
        rows.append(np.take_along_axis(views, most_similar[None, :, None], axis=0)[0])
    indices = np.array(pairs)
    return np.stack(rows), data.truth[indices[:, 0]] | data.truth[indices[:, 1]]


def _best_threshold(coefficients: Coefficients, data: _ThresholdData, rng: np.random.Generator) -> float:
    """Return the threshold with the best micro F1 over random label sets that contain all of a sample's own classes."""
    terms = np.array([coefficients.cosine, coefficients.background, coefficients.bias, coefficients.hubness])
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
