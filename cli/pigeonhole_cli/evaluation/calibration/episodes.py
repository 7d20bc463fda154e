"""Random episodes for a calibration: a sample, and labels of which one is right.

Labels are described by words, by one to three example images or by both, so that all of them compete fairly. Some episodes
have the label "none of these". In some a label competes with its own negation. Both alternatives have log-odds of zero.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pigeonhole.errors import SampleError
from pigeonhole.inference.classifier import Classifier, Pixels
from pigeonhole.inference.encoders.base import is_encoder
from pigeonhole.inference.labels.reading import parse_label
from pigeonhole.inference.photo_comparison import LabelEmbedding
from pigeonhole.inference.scoring.calibration import Modality, Pair
from pigeonhole.inference.scoring.log_odds import unit_mean
from pigeonhole_cli.evaluation.calibration.fit import Floats
from pigeonhole_cli.evaluation.item import DataError, Item
from pigeonhole_cli.evaluation.run import load_pixels
from pigeonhole_cli.evaluation.tasks import draw_evenly

Bools = npt.NDArray[np.bool_]
Vectors = npt.NDArray[np.float32]

SEED = 7
MAX_ITEMS = 6_000  # of a data set
LABEL_COUNTS = (2, 24)  # of an episode: the lowest and the highest
# The shares of the episodes with a label and its negation, and with "none of these"; how often the latter is right. The
# level of labels depends on them, and their order hardly does. With 0.15 negations, the balanced accuracy of "X" or "not X"
# was 4 points lower on sets that were not fitted.
NEGATION_SHARE, NONE_SHARE, NONE_RIGHT_SHARE = 0.5, 0.3, 0.5
ONLY_WORDS_SHARE = 0.5  # of the episodes: all labels are described by words
WORDS_SHARE, IMAGES_SHARE = 0.4, 0.4  # of the labels in the other episodes; the remaining labels are described by both
MAX_EXAMPLES = 3  # example images of a label
FOREIGN_SHARE = 0.6  # of the episodes whose wrong labels are those of other data sets, if there are any
FEATURES = 4  # of a pair of sample and label: the cosine, the background, 1 for the bias, and the label's hubness
# How much of a label's hubness is subtracted from its cosines where the hubness isn't fitted. For photos of several families of
# data sets it is fitted, and this is such a fit. One family has too few labels to tell a hub from a label that is often right.
# Texts of 47 families have too few as well: a fit on them cost the dev sets of docs/models.md 3 points.
HUBNESS_SHARES: dict[Modality, float] = {"text": 0.25, "image": 0.85}


@dataclass(frozen=True)
class EmbeddedData:
    """The embedded samples of a data set.

    Attributes:
        type: The type of the samples.
        vectors: `(n, dim) float32`.
        classes: `(n,)`, indices into `names`.
        names: The names of the classes.
        pixels: The model's input for each sample, for images.
        name: The name of the set, if it is one of several. Its classes exclude each other, however similar their names are.
    """

    type: Modality
    vectors: Vectors
    classes: npt.NDArray[np.int64]
    names: tuple[str, ...]
    pixels: Pixels | None = None
    name: str | None = None

    @property
    def family(self) -> str | None:
        """The first word of the set's name: sets of one maker or in many languages mostly share it ("sun-places-1")."""
        return re.split(r"[\W_]", self.name)[0] if self.name else None

    @property
    def truth(self) -> Bools:
        """`(n, classes) bool`: which class each sample has."""
        return np.asarray(np.arange(len(self.names)) == self.classes[:, None])


def embed_sets(classifier: Classifier, items: Sequence[Item], max_items: int | None = None) -> list[EmbeddedData]:
    """Embed each set of the items, and items without a set as one data set.

    Labels that say what a sample is not are left out of a set, and so are sets of fewer than 2 other labels.

    Args:
        classifier: The classifier whose encoders are used.
        items: The samples.
        max_items: The largest number of samples of all sets together, evenly of all classes of a set. Default: MAX_ITEMS.

    Raises:
        DataError: The samples don't suit a calibration, or an image can't be read.
    """
    by_set: dict[str | None, dict[str, list[Item]]] = {}
    for item in items:
        if item.task is None or len(item.truth) != 1 or parse_label(item.truth[0]).kind == "plain":
            by_set.setdefault(item.task, {}).setdefault(item.truth[0] if item.truth else "", []).append(item)
    sets = {name: classes for name, classes in by_set.items() if name is None or len(classes) > 1}
    rng = random.Random(SEED)  # noqa: S311 - not a secret
    return [
        embed(classifier, [item for items_of_class in classes.values() for item in items_of_class])
        if name is None
        else replace(embed(classifier, draw_evenly(classes, (max_items or MAX_ITEMS) // len(sets), rng)), name=name)
        for name, classes in sets.items()
    ]


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
        if not is_encoder(classifier.sentence):
            raise DataError(f"{items[0].where}: {classifier.sentence.info.model_id} needs no calibration on texts: use photos")
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
        labels: The embedded label of each class.
        rows: For each class, the samples that are its example images.
    """

    labels: list[LabelEmbedding]
    rows: list[npt.NDArray[np.int64]]


def draw_examples(data: EmbeddedData, rng: np.random.Generator) -> ExampleLabels:
    """Draw example images for each class. At least one sample of a class is left over, if it has two."""
    rows = []
    for index in range(len(data.names)):
        members = rng.permutation(np.flatnonzero(data.classes == index))
        rows.append(members[: min(int(rng.integers(1, MAX_EXAMPLES + 1)), max(1, len(members) - 1))])
    return ExampleLabels([LabelEmbedding(unit_mean(data.vectors[members])) for members in rows], rows)


def compare(classifier: Classifier, pair: Pair, samples: Vectors, labels: Sequence[LabelEmbedding]) -> Floats:
    """Compare `(n, dim)` samples with labels: features `(n, classes, FEATURES)`."""
    evidence = classifier.compare(pair, samples, labels)
    columns = np.broadcast_arrays(evidence.cosines, evidence.background, np.float32(1), evidence.hubness)
    return np.stack(columns, axis=2).astype(np.float64)


def hold_hubness(features: Floats, share: float) -> None:
    """Subtract a share of the hubness from the cosines and take away the hubness, in place: `(..., n * FEATURES)`."""
    of_pairs = features.reshape(*features.shape[:-1], -1, FEATURES)
    of_pairs[..., 0] -= share * of_pairs[..., 3]
    of_pairs[..., 3] = 0


@dataclass(frozen=True)
class Episode:
    """A sample compared with some labels.

    Attributes:
        features: `(labels, 2 * FEATURES)`: the features by words, then those by example images.
        right: The index of the right label.
        family: The family of the sample's data set, if it is one of several.
    """

    features: Floats
    right: int
    family: str | None = None


@dataclass(frozen=True)
class EpisodeSampler:
    """Draws episodes from a data set.

    Attributes:
        data: The samples.
        different: `(classes, classes + foreign) bool`: which class, of this or of another data set, is wrong for the samples of
            which.
        by_words: `(n, classes + foreign, FEATURES)`: the samples compared with the classes described by words, or None.
        by_examples: `(n, classes, FEATURES)` for each set of example images. NaN where a sample is one of them itself.
    """

    data: EmbeddedData
    different: Bools
    by_words: Floats | None
    by_examples: Sequence[Floats]

    def draw(self, rng: np.random.Generator) -> Episode:
        """Draw a sample, each class with the same probability, and labels for it."""
        classes = self.data.classes
        row = int(rng.choice(np.flatnonzero(classes == rng.choice(np.unique(classes)))))
        right = int(classes[row])
        count = int(rng.integers(LABEL_COUNTS[0], LABEL_COUNTS[1] + 1))
        others = [int(index) for index in rng.permutation(self._wrong(right, rng))[: count - 1]]
        zero, draw = np.zeros((1, 2 * FEATURES)), rng.random()
        if draw < NEGATION_SHARE and others:
            is_right = rng.random() < 0.5
            label = self._compare(row, [right if is_right else others[0]], rng)
            return self._episode(np.concatenate([label, zero]), 0 if is_right else 1)
        if draw < NEGATION_SHARE + NONE_SHARE and others:
            if rng.random() < NONE_RIGHT_SHARE:
                return self._episode(np.concatenate([zero, self._compare(row, others, rng)]), 0)
            return self._episode(np.concatenate([self._compare(row, [right, *others], rng), zero]), 0)
        return self._episode(self._compare(row, [right, *others], rng), 0)

    def _episode(self, features: Floats, right: int) -> Episode:
        return Episode(features, right, self.data.family)

    def _wrong(self, right: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
        """Return the classes that are wrong for a class: of the sample's data set, or in some episodes of the others."""
        wrong = np.flatnonzero(self.different[right])
        own = wrong[wrong < len(self.data.names)]
        foreign = wrong[wrong >= len(self.data.names)]
        return foreign if len(foreign) and (not len(own) or rng.random() < FOREIGN_SHARE) else own

    def _compare(self, row: int, labels: Sequence[int], rng: np.random.Generator) -> Floats:
        """Describe labels by words, by example images or by both, and compare a sample with them: `(labels, 2 * FEATURES)`."""
        only_words = self.by_words is not None and (not self.by_examples or rng.random() < ONLY_WORDS_SHARE)
        features = np.zeros((len(labels), 2, FEATURES))
        for described, index in zip(features, labels, strict=True):
            draw = rng.random()
            examples = self._by_examples(row, index, rng)
            if self.by_words is not None and (only_words or draw < WORDS_SHARE or examples is None):
                described[0] = self.by_words[row, index]
            elif examples is not None:
                described[1] = examples
                if self.by_words is not None and draw >= WORDS_SHARE + IMAGES_SHARE:
                    described[0] = self.by_words[row, index]
                    described /= 2  # as log_odds.mean_log_odds does
        return features.reshape(len(labels), 2 * FEATURES)

    def _by_examples(self, row: int, index: int, rng: np.random.Generator) -> Floats | None:
        """Compare a sample with one set of example images of a class, `(FEATURES,)`. None if the class or the set has none."""
        if not self.by_examples or index >= len(self.data.names):
            return None
        features: Floats = self.by_examples[int(rng.integers(len(self.by_examples)))][row, index]
        return None if np.isnan(features).any() else features


def stack_episodes(episodes: Sequence[Episode]) -> tuple[Floats, Bools, npt.NDArray[np.int64]]:
    """Return the features `(episodes, labels, 2 * FEATURES)`, which labels are present, and the right ones."""
    label_count = max(len(episode.features) for episode in episodes)
    features = np.zeros((len(episodes), label_count, 2 * FEATURES))
    present = np.zeros((len(episodes), label_count), dtype=bool)
    for feature_row, present_row, episode in zip(features, present, episodes, strict=True):
        count = len(episode.features)
        feature_row[:count], present_row[:count] = episode.features, True
    return features, present, np.array([episode.right for episode in episodes])
