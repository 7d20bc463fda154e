"""Make a calibration: weights per pair of sample and label type, fitted on random episodes of labelled samples.

*Single label.* An episode is a sample and 2 to 24 labels, by words, by one to three example images or by both, so that all of
them compete fairly. In some there is "none of these", right or wrong, and in some a label meets its own negation; both stand at
log-odds of zero (scoring.py), so the likelihood of all episodes together is that of one conditional logit.

*Several labels.* A logistic regression per pair tells a sample's own labels from others, both weighted alike, on photos of one
thing and on collages of two. The threshold of a sample type is the one with the best micro F1 over random sets of ten labels.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from pigeonhole.errors import SampleError
from pigeonhole.inference.classifier import Classifier, Pixels
from pigeonhole.inference.image_loader import to_views
from pigeonhole.inference.labels.negation import parse_label
from pigeonhole.inference.scoring.calibration import Calibration, Coefficients, Modality, Pair, prior_calibration
from pigeonhole.inference.scoring.log_odds import sigmoid, unit_mean
from pigeonhole_cli.evaluation.data import DataError, Item
from pigeonhole_cli.evaluation.fit import Floats, balanced_logistic, conditional_logit
from pigeonhole_cli.evaluation.run import fit

Bools = npt.NDArray[np.bool_]
Vectors = npt.NDArray[np.float32]

SEED = 7
MOST = 6_000  # samples of a data set
FEW = 300  # samples in all, below which a calibration is likely worse than the prior
EPISODES = 6_000  # per data set
LABELS = (2, 24)  # of an episode
AGAINST_ITSELF, WITH_NONE, NONE_IS_RIGHT = 0.15, 0.3, 0.5  # parts of the episodes; of those with none, where that is right
BY_WORDS_ALONE = 0.5  # part of the episodes
BY_WORDS, BY_PICTURES = 0.4, 0.4  # parts of the labels in the others; what is left is described by both
EXAMPLE_SETS, MAX_EXAMPLES = 3, 3  # of one class: how many sets of example images, of how many each
ALIKE = 0.8  # cosine from which two names mean the same, so that neither is wrong where the other is right
COLLAGES = 1_000  # of a data set, at most
LABELS_AT_ONCE, LABEL_SETS = 10, 4_000  # for the threshold
TERMS = 3  # features of one pair: cosine, less the label's share of hubness; background; 1 for the bias
# Of a label's hubness, the part that its cosines are lessened by. Chosen on text data sets (docs/models.md), not fitted: they
# have a hundred labels between them, too few to tell a hub from a label that is often right.
HUBNESS_SHARE = 0.5


@dataclass(frozen=True)
class Labelled:
    """A data set's samples, embedded. `vectors`: (n, dim); `classes`: (n,), indices into `names`; `pixels`: of photos."""

    type: Modality
    vectors: Vectors
    classes: npt.NDArray[np.int64]
    names: tuple[str, ...]
    pixels: Pixels | None = None

    @property
    def own(self) -> Bools:
        """(n, classes): which class is a sample's."""
        return np.asarray(np.arange(len(self.names)) == self.classes[:, None])


@dataclass(frozen=True)
class Judged:
    """Rows for one pair's logistic regression: features (rows, TERMS), and which are true."""

    features: Floats
    truth: Bools


def labelled(classifier: Classifier, items: Sequence[Item]) -> Labelled:
    """Embed samples of one type with one label each; more than MOST are drawn from at random.

    Raises DataError for others, and for a picture that can't be read.
    """
    if len(items) > MOST:
        items = random.Random(SEED).sample(items, MOST)  # noqa: S311 - not a secret
    names = tuple(sorted({name for item in items for name in item.truth}))
    for item in items:
        if len(item.truth) != 1 or item.type != items[0].type:
            raise DataError(f"{item.where}: calibration needs samples of one type, with one label each")
    for item in items:
        if parse_label(item.truth[0]).kind != "plain":
            raise DataError(f"{item.where}: the label {item.truth[0]!r} names no thing: calibrate on samples of what they are")
    if len(names) < 2:
        raise DataError(f"{items[0].where}: calibration needs samples of 2 classes at least, here all are {names[0]!r}")
    classes = np.array([names.index(item.truth[0]) for item in items])
    if items[0].type == "text":
        return Labelled("text", classifier.sentence.encode_text([item.value for item in items]), classes, names)
    pixels = np.stack([_fitted(classifier, item) for item in items])
    vectors = [classifier.encoder.encode_image(pixels[start : start + 64]) for start in range(0, len(pixels), 64)]
    return Labelled("image", np.concatenate(vectors), classes, names, pixels)


def _fitted(classifier: Classifier, item: Item) -> Pixels:
    try:
        return fit(classifier.encoder, item.read())
    except SampleError as error:
        raise DataError(f"{item.where}: {error}") from None


def calibrate(classifier: Classifier, data: Sequence[Labelled]) -> Calibration:
    """Fit a calibration for the classifier's model on photos and texts; a pair without data keeps the prior.

    Raises DataError for a data set whose classes all mean the same.
    """
    rng = np.random.default_rng(SEED)
    base = prior_calibration(classifier.encoder.info)
    single, multiple = dict(base.single), dict(base.multiple)
    episodes: dict[Modality, list[_Episode]] = {"image": [], "text": []}
    judged: dict[Pair, list[Judged]] = {}
    measured: set[Pair] = set()
    for_threshold: list[tuple[Pair, Floats, Bools, Bools]] = []
    for each in data:
        unlike = _unlike(classifier, each.names)
        if not unlike.any():
            raise DataError(f"calibration needs classes that differ, and these mean the same: {', '.join(each.names)}")
        names = classifier.embed_label_texts(each.type, each.names)
        words = _against(classifier, (each.type, "text"), each.vectors, names)
        shown: list[_Examples] = []
        if each.pixels is not None:
            shown = [_examples(each, rng) for _ in range(EXAMPLE_SETS)]
            pictures = [_hidden(_against(classifier, ("image", "image"), each.vectors, it.labels), it.rows) for it in shown]
            named = _named(classifier, each)
            by_name = [_against(classifier, ("text", "image"), named.vectors, it.labels) for it in shown]
            as_texts = _Drawing(classifier, named, unlike, None, shown)
            episodes["text"] += [as_texts.draw(rng) for _ in range(EPISODES // 4)]
            judged.setdefault(("text", "image"), []).extend(_judge(it, named.own, unlike) for it in by_name)
            judged.setdefault(("image", "image"), []).extend(_judge(it, each.own, unlike) for it in pictures)
            both, true = _collages(classifier, each, each.pixels, names, rng)
            judged.setdefault(("image", "text"), []).append(_judge(both, true, unlike))
            for_threshold.append((("image", "text"), both, true, unlike))
        drawing = _Drawing(classifier, each, unlike, names, shown)
        episodes[each.type] += [drawing.draw(rng) for _ in range(EPISODES)]
        judged.setdefault((each.type, "text"), []).append(_judge(words, each.own, unlike))
        for_threshold.append(((each.type, "text"), words, each.own, unlike))

    for pair, rows in judged.items():
        truth = np.concatenate([it.truth for it in rows])
        if truth.any() and not truth.all():
            multiple[pair] = _weights(pair, balanced_logistic(np.concatenate([it.features for it in rows]), truth))
            measured.add(pair)
    for kind, drawn in episodes.items():
        if drawn:
            fitted = conditional_logit(*_stacked(drawn)).reshape(2, TERMS)
            sides: tuple[Pair, Pair] = ((kind, "text"), (kind, "image"))
            for pair, weights in zip(sides, fitted, strict=True):
                # A pair of which there was too little, such as one photo per class, is not half measured.
                if pair in measured:
                    single[pair] = _weights(pair, weights)
    best: dict[Modality, list[float]] = {}
    for pair, features, truth, unlike in for_threshold:
        best.setdefault(pair[0], []).append(_threshold(multiple[pair], features, truth, unlike, rng))
    thresholds = dict(base.thresholds) | {kind: round(float(np.mean(found)), 2) for kind, found in best.items()}
    return Calibration(single, multiple, thresholds, measured=frozenset(measured))


@dataclass(frozen=True)
class _Episode:
    """Features (labels, 2 * TERMS), by words and by pictures, and the index of the right label."""

    features: Floats
    right: int


@dataclass(frozen=True)
class _Drawing:
    """Draws episodes from a data set. `names`: (classes, dim), its classes by words, or None; `shown`: by example images."""

    classifier: Classifier
    data: Labelled
    unlike: Bools
    names: Vectors | None
    shown: Sequence[_Examples]

    def draw(self, rng: np.random.Generator) -> _Episode:
        """Draw a sample, of each class alike, and labels for it."""
        classes = self.data.classes
        row = int(rng.choice(np.flatnonzero(classes == rng.choice(np.unique(classes)))))
        own = int(classes[row])
        count = int(rng.integers(LABELS[0], LABELS[1] + 1))
        others = [int(index) for index in rng.permutation(np.flatnonzero(self.unlike[own]))[: count - 1]]
        none, kind = np.zeros((1, 2 * TERMS)), rng.random()
        if kind < AGAINST_ITSELF and others:
            is_own = rng.random() < 0.5
            return _Episode(np.concatenate([self._sides(row, [own if is_own else others[0]], rng), none]), 0 if is_own else 1)
        if kind < AGAINST_ITSELF + WITH_NONE and others:
            if rng.random() < NONE_IS_RIGHT:
                return _Episode(np.concatenate([none, self._sides(row, others, rng)]), 0)
            return _Episode(np.concatenate([self._sides(row, [own, *others], rng), none]), 0)
        return _Episode(self._sides(row, [own, *others], rng), 0)

    def _sides(self, row: int, labels: Sequence[int], rng: np.random.Generator) -> Floats:
        """Describe labels by words, by example images or by both, and compare a sample with them: (labels, 2 * TERMS)."""
        by_words_alone = self.names is not None and (not self.shown or rng.random() < BY_WORDS_ALONE)
        features = np.zeros((len(labels), 2, TERMS))
        described: dict[Modality, list[tuple[int, Vectors, float]]] = {"text": [], "image": []}  # place, embedding, share
        for place, index in enumerate(labels):
            draw = rng.random()
            examples = self.shown[int(rng.integers(len(self.shown)))] if self.shown else None
            # A sample isn't compared with itself.
            usable = examples is not None and not (self.data.type == "image" and row in examples.rows[index])
            if self.names is not None and (by_words_alone or draw < BY_WORDS or not usable):
                described["text"].append((place, self.names[index], 1.0))
            elif examples is not None:
                both = self.names is not None and draw >= BY_WORDS + BY_PICTURES
                described["image"].append((place, examples.labels[index], 0.5 if both else 1.0))
                if self.names is not None and both:
                    described["text"].append((place, self.names[index], 0.5))  # as log_odds.mean_log_odds does
        sample = self.data.vectors[row : row + 1]
        for side, (kind, found) in enumerate(described.items()):
            if found:
                places, vectors, shares = zip(*found, strict=True)
                compared = _against(self.classifier, (self.data.type, kind), sample, np.stack(vectors), exclusive=True)[0]
                features[list(places), side] = compared * np.array(shares)[:, None]
        return features.reshape(len(labels), 2 * TERMS)


def _stacked(episodes: Sequence[_Episode]) -> tuple[Floats, Bools, npt.NDArray[np.int64]]:
    most = max(len(it.features) for it in episodes)
    features = np.zeros((len(episodes), most, 2 * TERMS))
    present = np.zeros((len(episodes), most), dtype=bool)
    for row, there, it in zip(features, present, episodes, strict=True):
        row[: len(it.features)], there[: len(it.features)] = it.features, True
    return features, present, np.array([it.right for it in episodes])


def _weights(pair: Pair, fitted: Floats) -> Coefficients:
    cosine, background, bias = (round(float(value), 4) for value in fitted)
    hubness = round(-HUBNESS_SHARE * cosine, 4) if pair == ("text", "text") else 0.0
    return Coefficients(cosine=cosine, bias=bias, background=background, hubness=hubness)


def _against(classifier: Classifier, pair: Pair, vectors: Vectors, labels: Vectors, *, exclusive: bool = False) -> Floats:
    """Compare (n, dim) samples with (classes, dim) labels: features (n, classes, TERMS)."""
    found = classifier.compare(pair, vectors, labels, exclusive=exclusive)
    cosines = found.cosines - HUBNESS_SHARE * found.hubness
    return np.stack([cosines, found.background, np.ones_like(cosines)], axis=2).astype(np.float64)


def _named(classifier: Classifier, data: Labelled) -> Labelled:
    """Class names as text samples that meet example images."""
    vectors = classifier.encoder.encode_text([f"a photo of a {name}" for name in data.names])
    return Labelled("text", vectors, np.arange(len(data.names)), data.names)


def _unlike(classifier: Classifier, names: Sequence[str]) -> Bools:
    """(classes, classes): which name is wrong for which class."""
    vectors = classifier.sentence.encode_text(names)
    return np.asarray(vectors @ vectors.T < ALIKE) & ~np.eye(len(names), dtype=bool)


@dataclass(frozen=True)
class _Examples:
    """One label per class by example images, (classes, dim), and the rows of `vectors` that those are, per class."""

    labels: Vectors
    rows: list[npt.NDArray[np.int64]]


def _examples(data: Labelled, rng: np.random.Generator) -> _Examples:
    rows = []
    for index in range(len(data.names)):
        own = rng.permutation(np.flatnonzero(data.classes == index))
        rows.append(own[: min(int(rng.integers(1, MAX_EXAMPLES + 1)), max(1, len(own) - 1))])
    return _Examples(np.stack([unit_mean(data.vectors[it]) for it in rows]), rows)


def _hidden(features: Floats, rows: Sequence[npt.NDArray[np.int64]]) -> Floats:
    """NaN where a sample would meet itself among the examples."""
    for index, own in enumerate(rows):
        features[own, index] = np.nan
    return features


def _judge(features: Floats, truth: Bools, unlike: Bools) -> Judged:
    """(n, classes, TERMS) and bool (n, classes) -> rows: a sample's own classes, and those that are wrong for all of them."""
    wrong = _wrong(truth, unlike)
    there = ~np.isnan(features).any(axis=2)
    return Judged(features[there & (truth | wrong)], truth[there & (truth | wrong)])


def _wrong(truth: Bools, unlike: Bools) -> Bools:
    """(n, classes): what is unlike each of a sample's own classes."""
    return np.asarray((truth.astype(np.int64) @ ~unlike) == 0)


def _collages(
    classifier: Classifier, data: Labelled, pixels: Pixels, names: Vectors, rng: np.random.Generator
) -> tuple[Floats, Bools]:
    """Pairs of photos of two classes, side by side: features by words (n, classes, TERMS), and what they show (n, classes).

    `names`: (classes, dim). Each class is compared with the view that is likest to it, by its cosine less the background: the
    classifier takes the highest log-odds, which need the weights that are fitted here.
    """
    pairs = []
    for one in rng.permutation(len(data.classes))[:COLLAGES]:
        pairs.append((one, rng.choice(np.flatnonzero(data.classes != data.classes[one]))))
    encoder = classifier.encoder
    rows = []
    for one, two in pairs:
        collage = Image.fromarray(np.concatenate([pixels[one], pixels[two]], axis=1))
        views = _against(
            classifier, ("image", "text"), encoder.encode_image(to_views(encoder, collage, every_part=True)), names
        )
        likest = (views[..., 0] - views[..., 1]).argmax(axis=0)
        rows.append(np.take_along_axis(views, likest[None, :, None], axis=0)[0])
    shown = np.array(pairs)
    return np.stack(rows), data.own[shown[:, 0]] | data.own[shown[:, 1]]


def _threshold(weights: Coefficients, features: Floats, truth: Bools, unlike: Bools, rng: np.random.Generator) -> float:
    """The probability from which on labels are taken with the best micro F1, over random sets with all of a sample's own."""
    terms = np.array([weights.cosine, weights.background, weights.bias])
    probabilities = sigmoid((features @ terms).astype(np.float32))
    wrong = _wrong(truth, unlike)
    found, true = [], []
    for row in rng.integers(0, len(truth), LABEL_SETS):
        own = np.flatnonzero(truth[row])
        others = rng.permutation(np.flatnonzero(wrong[row]))[: max(0, LABELS_AT_ONCE - len(own))]
        found += [*probabilities[row, own], *probabilities[row, others]]
        true += [True] * len(own) + [False] * len(others)
    scores, truths = np.array(found), np.array(true)
    candidates = np.arange(0.05, 0.96, 0.01)
    f1 = [2 * (truths & (scores >= it)).sum() / (truths.sum() + (scores >= it).sum()) for it in candidates]
    return float(candidates[int(np.argmax(f1))])
