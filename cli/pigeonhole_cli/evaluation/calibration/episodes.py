"""Random episodes for a calibration: a sample, and labels of which one is right.

Labels are described by words, by one to three example images or by both, so that all of them compete fairly. Some episodes
have the label "none of these". In some a label competes with its own negation. Both alternatives have log-odds of zero.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pigeonhole.errors import SampleError
from pigeonhole.inference.classifier import Classifier, Pixels
from pigeonhole.inference.labels.reading import parse_label
from pigeonhole.inference.scoring.calibration import Modality, Pair
from pigeonhole.inference.scoring.log_odds import unit_mean
from pigeonhole_cli.evaluation.calibration.fit import Floats
from pigeonhole_cli.evaluation.item import DataError, Item
from pigeonhole_cli.evaluation.run import load_pixels

Bools = npt.NDArray[np.bool_]
Vectors = npt.NDArray[np.float32]

SEED = 7
MAX_ITEMS = 6_000  # of a data set
LABEL_COUNTS = (2, 24)  # of an episode: the lowest and the highest
# The shares of the episodes with a label and its negation, and with "none of these"; how often the latter is right.
NEGATION_SHARE, NONE_SHARE, NONE_RIGHT_SHARE = 0.15, 0.3, 0.5
ONLY_WORDS_SHARE = 0.5  # of the episodes: all labels are described by words
WORDS_SHARE, IMAGES_SHARE = 0.4, 0.4  # of the labels in the other episodes; the remaining labels are described by both
MAX_EXAMPLES = 3  # example images of a label
FEATURES = 3  # of a pair of sample and label: the cosine less the label's share of hubness, the background, 1 for the bias
# The part of a label's hubness that is subtracted from its cosines. It was chosen on text data sets (docs/models.md), not
# fitted. They have about a hundred labels together, too few to tell a hub from a label that is often right.
HUBNESS_SHARE = 0.5


@dataclass(frozen=True)
class EmbeddedData:
    """The embedded samples of a data set.

    Attributes:
        type: The type of the samples.
        vectors: `(n, dim) float32`.
        classes: `(n,)`, indices into `names`.
        names: The names of the classes.
        pixels: The model's input for each sample, for images.
    """

    type: Modality
    vectors: Vectors
    classes: npt.NDArray[np.int64]
    names: tuple[str, ...]
    pixels: Pixels | None = None

    @property
    def truth(self) -> Bools:
        """`(n, classes) bool`: which class each sample has."""
        return np.asarray(np.arange(len(self.names)) == self.classes[:, None])


def embed(classifier: Classifier, items: Sequence[Item]) -> EmbeddedData:
    """Embed samples of one type that have one label each. Of more than MAX_ITEMS a random part is used.

    Raises:
        DataError: The samples don't suit a calibration, or an image can't be read.
    """
    if len(items) > MAX_ITEMS:
        items = random.Random(SEED).sample(items, MAX_ITEMS)  # noqa: S311 - not a secret
    names = tuple(sorted({name for item in items for name in item.truth}))
    for item in items:
        if len(item.truth) != 1 or item.type != items[0].type:
            raise DataError(f"{item.where}: calibration needs samples of one type, with one label each")
    for item in items:
        if parse_label(item.truth[0]).kind != "plain":
            raise DataError(
                f"{item.where}: the label {item.truth[0]!r} says what a sample is not: use labels that name a thing"
            )
    if len(names) < 2:
        raise DataError(f"{items[0].where}: calibration needs samples of at least 2 classes, here all are {names[0]!r}")
    classes = np.array([names.index(item.truth[0]) for item in items])
    if items[0].type == "text":
        return EmbeddedData("text", classifier.embed_text_samples([item.value for item in items]), classes, names)
    pixels = np.stack([_load_pixels(classifier, item) for item in items])
    vectors = [classifier.encoder.encode_image(pixels[start : start + 64]) for start in range(0, len(pixels), 64)]
    return EmbeddedData("image", np.concatenate(vectors), classes, names, pixels)


def _load_pixels(classifier: Classifier, item: Item) -> Pixels:
    try:
        return load_pixels(classifier.encoder, item.read())
    except SampleError as error:
        raise DataError(f"{item.where}: {error}") from None


@dataclass(frozen=True)
class ExampleLabels:
    """Labels that are described by example images, one per class.

    Attributes:
        vectors: `(classes, dim) float32`.
        rows: For each class, the samples that are its example images.
    """

    vectors: Vectors
    rows: list[npt.NDArray[np.int64]]


def draw_examples(data: EmbeddedData, rng: np.random.Generator) -> ExampleLabels:
    """Draw example images for each class. At least one sample of a class is left over, if it has two."""
    rows = []
    for index in range(len(data.names)):
        members = rng.permutation(np.flatnonzero(data.classes == index))
        rows.append(members[: min(int(rng.integers(1, MAX_EXAMPLES + 1)), max(1, len(members) - 1))])
    return ExampleLabels(np.stack([unit_mean(data.vectors[members]) for members in rows]), rows)


def compare(classifier: Classifier, pair: Pair, samples: Vectors, labels: Vectors) -> Floats:
    """Compare `(n, dim)` samples with `(classes, dim)` labels: features `(n, classes, FEATURES)`."""
    evidence = classifier.compare(pair, samples, labels)
    cosines = evidence.cosines - HUBNESS_SHARE * evidence.hubness
    return np.stack([cosines, evidence.background, np.ones_like(cosines)], axis=2).astype(np.float64)


@dataclass(frozen=True)
class Episode:
    """A sample compared with some labels.

    Attributes:
        features: `(labels, 2 * FEATURES)`: the features by words, then those by example images.
        right: The index of the right label.
    """

    features: Floats
    right: int


@dataclass(frozen=True)
class EpisodeSampler:
    """Draws episodes from a data set.

    Attributes:
        classifier: The classifier whose features are used.
        data: The samples.
        different: `(classes, classes) bool`: which class is wrong for the samples of which.
        word_labels: `(classes, dim)`: the classes described by words, or None.
        example_labels: The classes described by example images.
    """

    classifier: Classifier
    data: EmbeddedData
    different: Bools
    word_labels: Vectors | None
    example_labels: Sequence[ExampleLabels]

    def draw(self, rng: np.random.Generator) -> Episode:
        """Draw a sample, each class with the same probability, and labels for it."""
        classes = self.data.classes
        row = int(rng.choice(np.flatnonzero(classes == rng.choice(np.unique(classes)))))
        right = int(classes[row])
        count = int(rng.integers(LABEL_COUNTS[0], LABEL_COUNTS[1] + 1))
        others = [int(index) for index in rng.permutation(np.flatnonzero(self.different[right]))[: count - 1]]
        zero, draw = np.zeros((1, 2 * FEATURES)), rng.random()
        if draw < NEGATION_SHARE and others:
            is_right = rng.random() < 0.5
            label = self._compare(row, [right if is_right else others[0]], rng)
            return Episode(np.concatenate([label, zero]), 0 if is_right else 1)
        if draw < NEGATION_SHARE + NONE_SHARE and others:
            if rng.random() < NONE_RIGHT_SHARE:
                return Episode(np.concatenate([zero, self._compare(row, others, rng)]), 0)
            return Episode(np.concatenate([self._compare(row, [right, *others], rng), zero]), 0)
        return Episode(self._compare(row, [right, *others], rng), 0)

    def _compare(self, row: int, labels: Sequence[int], rng: np.random.Generator) -> Floats:
        """Describe labels by words, by example images or by both, and compare a sample with them: `(labels, 2 * FEATURES)`."""
        only_words = self.word_labels is not None and (not self.example_labels or rng.random() < ONLY_WORDS_SHARE)
        features = np.zeros((len(labels), 2, FEATURES))
        # For each kind of description: the label's position, its embedding, and the weight of this description.
        described: dict[Modality, list[tuple[int, Vectors, float]]] = {"text": [], "image": []}
        for position, index in enumerate(labels):
            draw = rng.random()
            examples = self.example_labels[int(rng.integers(len(self.example_labels)))] if self.example_labels else None
            # A sample isn't compared with itself.
            usable = examples is not None and not (self.data.type == "image" and row in examples.rows[index])
            if self.word_labels is not None and (only_words or draw < WORDS_SHARE or not usable):
                described["text"].append((position, self.word_labels[index], 1.0))
            elif examples is not None:
                by_both = self.word_labels is not None and draw >= WORDS_SHARE + IMAGES_SHARE
                described["image"].append((position, examples.vectors[index], 0.5 if by_both else 1.0))
                if self.word_labels is not None and by_both:
                    described["text"].append((position, self.word_labels[index], 0.5))  # as log_odds.mean_log_odds does
        sample = self.data.vectors[row : row + 1]
        for side, (label_type, descriptions) in enumerate(described.items()):
            if descriptions:
                positions, vectors, shares = zip(*descriptions, strict=True)
                pair: Pair = (self.data.type, label_type)
                compared = compare(self.classifier, pair, sample, np.stack(vectors))[0]
                features[list(positions), side] = compared * np.array(shares)[:, None]
        return features.reshape(len(labels), 2 * FEATURES)


def stack_episodes(episodes: Sequence[Episode]) -> tuple[Floats, Bools, npt.NDArray[np.int64]]:
    """Return the features `(episodes, labels, 2 * FEATURES)`, which labels are present, and the right ones."""
    label_count = max(len(episode.features) for episode in episodes)
    features = np.zeros((len(episodes), label_count, 2 * FEATURES))
    present = np.zeros((len(episodes), label_count), dtype=bool)
    for feature_row, present_row, episode in zip(features, present, episodes, strict=True):
        count = len(episode.features)
        feature_row[:count], present_row[:count] = episode.features, True
    return features, present, np.array([episode.right for episode in episodes])
