"""A fitted calibration makes words and example images compete fairly, and its scores are probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from pigeonhole.inference.classifier import Classifier, Options
from pigeonhole.inference.images.in_process_decoder import make_views
from pigeonhole.inference.labels.label_class import LabelClass
from pigeonhole.inference.scoring.calibration import PAIRS, Calibration, Pair, parse_calibration, prior_calibration
from pigeonhole_cli.evaluation.calibration import calibrate as module
from pigeonhole_cli.evaluation.calibration.calibrate import fit
from pigeonhole_cli.evaluation.calibration.episodes import HUBNESS_SHARES, EmbeddedData, embed
from pigeonhole_cli.evaluation.item import DataError, Item, word_label
from support.cli.simulated_encoder import SimulatedEncoder, classifier, page, photo, photos, pixels, texts

FRESH = range(100, 124)  # classes that the calibration has not seen
IMAGE_PAIRS: set[Pair] = {("image", "text"), ("image", "image"), ("text", "image")}
TEXT_TEXT: Pair = ("text", "text")


def calibrate(model: Classifier, data_sets: Sequence[EmbeddedData]) -> Calibration:
    return fit(model, data_sets).calibration


@pytest.fixture(scope="module", autouse=True)
def _fewer_episodes() -> object:
    """Fit on fewer episodes than for a real model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "EPISODES", 800)
        patch.setattr(module, "THRESHOLD_SETS", 500)
        yield


@pytest.fixture(scope="module")
def data() -> dict[str, EmbeddedData]:
    return {"photos": embed(classifier(), photos()), "texts": embed(classifier(), texts())}


@pytest.fixture(scope="module")
def fitted(data: dict[str, EmbeddedData]) -> Calibration:
    return calibrate(classifier(), [data["photos"], data["texts"]])


@dataclass(frozen=True)
class Results:
    """The best answers to fresh samples.

    Attributes:
        probability: That of the best answer.
        right: Whether the best answer is right.
        by_image: Whether the right label is described by images.
        chose_image: Whether the chosen label is described by images.
    """

    probability: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]
    by_image: npt.NDArray[np.bool_]
    chose_image: npt.NDArray[np.bool_]

    @property
    def error(self) -> float:
        """The expected calibration error, over ten bins."""
        bins = np.minimum((self.probability * 10).astype(int), 9)
        return float(sum(abs((self.probability - self.right)[bins == index].sum()) for index in range(10)) / len(self.right))


def classify_fresh(calibration: Calibration, sample_type: str, none: bool = False, count: int = 50) -> Results:
    """Classify fresh samples by label sets of which every second label is described by photos.

    With `none`, "none of these" is one of the labels and right half of the time.
    """
    rng, model = np.random.default_rng(1), classifier(calibration)
    answers = []
    for _ in range(count):
        drawn = [int(index) for index in rng.choice(FRESH, rng.integers(3, 13), replace=False)]
        labels, images = [], {}
        for position, index in enumerate(drawn):
            examples = [f"{index} {number}" for number in range(rng.integers(1, 4))] if position % 2 else []
            images |= {value: pixels(index, 200 + k) for k, value in enumerate(examples)}
            labels.append(LabelClass(f"{index}, shown", (), tuple(examples)) if examples else word_label(f"thing {index}"))
        if none:
            labels.append(word_label("none of these"))
        right = [len(drawn) if none and rng.random() < 0.5 else int(rng.integers(len(drawn))) for _ in range(12)]
        others = [index for index in FRESH if index not in drawn]
        samples = [(rng.choice(others) if none and label == len(drawn) else drawn[label], rng.integers(200)) for label in right]
        if sample_type == "image":
            result = model.classify_images([pixels(*sample) for sample in samples], labels, Options(), images)
        else:
            result = model.classify_texts([page(*sample) for sample in samples], labels, Options(), images)
        for label, (best, *_) in zip(right, result.ranked, strict=True):
            is_right = best.index == label
            answers.append((best.probability, is_right, bool(labels[label].images), bool(labels[best.index].images)))
    probability, right_answers, by_image, chose_image = zip(*answers, strict=True)
    return Results(np.array(probability), np.array(right_answers), np.array(by_image), np.array(chose_image))


Classify = Callable[..., Results]


@pytest.fixture(scope="module")
def before() -> Classify:
    return cache(partial(classify_fresh, prior_calibration(SimulatedEncoder().info)))


@pytest.fixture(scope="module")
def after(fitted: Calibration) -> Classify:
    return cache(partial(classify_fresh, fitted))


@pytest.mark.parametrize("sample_type", ["image", "text"])
def test_words_and_example_images_compete_fairly(before: Classify, after: Classify, sample_type: str) -> None:
    """With the prior one kind wins nearly always: photos of different things are more similar than a photo and its name."""
    bias = {
        name: float(results.chose_image.mean() - results.by_image.mean())
        for name, results in (("before", before(sample_type)), ("after", after(sample_type)))
    }

    assert abs(bias["after"]) < 0.05
    assert abs(bias["after"]) < abs(bias["before"])
    assert after(sample_type).right.mean() > before(sample_type).right.mean()


@pytest.mark.parametrize("none", [False, True])
@pytest.mark.parametrize("sample_type", ["image", "text"])
def test_answers_are_right_as_often_as_their_probability(
    before: Classify, after: Classify, sample_type: str, none: bool
) -> None:
    assert after(sample_type, none).error < 0.08
    assert after(sample_type, none).error < 0.6 * before(sample_type, none).error
    assert after(sample_type, none).probability.std() > 0.1, "the probabilities differ"


def test_true_and_false_labels_are_separated_at_even_odds(fitted: Calibration) -> None:
    """The photos show two things each."""
    model = classifier(fitted)
    labels = [word_label(f"thing {index}") for index in FRESH]
    pairs = list(pairwise(FRESH))
    collages = [Image.fromarray(np.concatenate([pixels(left, 7), pixels(right, 8)], axis=1)) for left, right in pairs]
    views = [make_views(model.encoder.fit, collage, every_part=True) for collage in collages]

    result = model.classify_images(views, labels, Options(multiple_labels=True))

    probabilities = np.zeros((len(pairs), len(labels)))
    for row, ranked in zip(probabilities, result.ranked, strict=True):
        row[[label.index for label in ranked]] = [label.probability for label in ranked]
    truth = np.array([[index in pair for index in FRESH] for pair in pairs])
    assert (probabilities[truth] > 0.5).mean() == pytest.approx((probabilities[~truth] < 0.5).mean(), abs=0.1)
    assert (probabilities[truth] > 0.5).mean() > 0.8
    chosen = np.array([[k in {label.index for label in row} for k in range(len(labels))] for row in result.chosen])
    assert 2 * (chosen & truth).sum() / (chosen.sum() + truth.sum()) > 0.6, (
        "F1 among 24 labels, though the threshold is for ten"
    )


@pytest.mark.parametrize(("given", "measured"), [("photos", IMAGE_PAIRS), ("texts", {TEXT_TEXT}), (None, set(PAIRS))])
def test_pairs_with_data_are_measured_and_the_others_keep_the_prior(
    data: dict[str, EmbeddedData], fitted: Calibration, given: str | None, measured: set[Pair]
) -> None:
    prior = prior_calibration(SimulatedEncoder().info)

    calibration = calibrate(classifier(), [data[given]]) if given else fitted

    assert calibration.measured == measured
    for table, before in ((calibration.single, prior.single), (calibration.multiple, prior.multiple)):
        assert {pair for pair in PAIRS if table[pair] != before[pair]} == measured
    assert all(0.05 <= threshold <= 0.95 for threshold in calibration.thresholds.values())
    if given == "photos":
        assert calibration.thresholds["text"] == prior.thresholds["text"]


def test_the_cosine_raises_and_hubness_lowers_the_log_odds_by_a_share_of_it(fitted: Calibration) -> None:
    for table in (fitted.single, fitted.multiple):
        for pair, coefficients in table.items():
            share = 0 if pair == ("text", "image") else HUBNESS_SHARES[pair[0]]
            assert coefficients.cosine > 0
            assert coefficients.hubness == pytest.approx(-share * coefficients.cosine, rel=0.01)


def test_the_seed_determines_the_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit_photos() -> Calibration:
        return calibrate(classifier(), [embed(classifier(), photos(range(4), count=6))])

    first, second = fit_photos(), fit_photos()
    monkeypatch.setattr(module, "SEED", 8)

    assert first == second != fit_photos()


def test_a_stored_calibration_is_read_back_unchanged(fitted: Calibration) -> None:
    info = SimulatedEncoder().info

    assert parse_calibration(fitted.to_content(info.revision, ["photos"]), info) == fitted


@pytest.mark.parametrize(
    "items",
    [
        pytest.param([*photos(range(6)), photo(7, 0)], id="a class of a single photo"),
        pytest.param([*photos(range(2), count=40), *photos(range(2, 8), count=2)], id="classes of very different sizes"),
        pytest.param(photos(range(2), count=8), id="two classes"),
        pytest.param(texts(range(2), count=2), id="two texts of two classes"),
    ],
)
def test_uneven_and_small_data_give_finite_coefficients(items: list[Item]) -> None:
    calibration = calibrate(classifier(), [embed(classifier(), items)])

    for coefficients in (*calibration.single.values(), *calibration.multiple.values()):
        assert np.isfinite(list(asdict(coefficients).values())).all()


def test_a_few_photos_suffice_for_collages_with_any_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EPISODES", 20)
    monkeypatch.setattr(module, "THRESHOLD_SETS", 20)
    few = embed(classifier(), photos(range(2), count=2))

    for seed in range(20):
        monkeypatch.setattr(module, "SEED", seed)
        assert calibrate(classifier(), [few]).multiple["image", "text"].cosine > 0


def test_two_names_for_one_thing_are_not_wrong_for_each_other() -> None:
    """Every second photo has another name of its class, which the simulated encoder embeds to the same direction."""
    one_name = photos(range(4), count=16)
    two_names = [replace(item, truth=(f"picture of {item.truth[0]}",)) if n % 2 else item for n, item in enumerate(one_name)]

    expected, calibration = (calibrate(classifier(), [embed(classifier(), items)]) for items in (one_name, two_names))

    for pair in IMAGE_PAIRS:
        # If the two names counted as wrong for each other, the cosines' coefficients would be lower.
        assert calibration.single[pair].cosine > 0.8 * expected.single[pair].cosine
        assert calibration.multiple[pair].cosine > 0.8 * expected.multiple[pair].cosine


def test_names_that_all_mean_the_same_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """No label is wrong for any sample, so nothing can be fitted."""
    monkeypatch.setattr(module, "SAME_MEANING_COSINE", -1.0)

    with pytest.raises(DataError, match="thing"):
        calibrate(classifier(), [embed(classifier(), photos(range(2)))])
