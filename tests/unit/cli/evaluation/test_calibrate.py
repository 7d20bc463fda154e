"""A fitted calibration makes words and example images compete fairly, and scores the probabilities that they claim to be.

In a simulated world, where photos lie around their class as texts do, but far from them, so that a photo and its own name are
less alike than two photos of different things.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from pigeonhole.errors import SampleError
from pigeonhole.inference.classifier import Classifier, Options
from pigeonhole.inference.encoders.base import BackgroundEmbeddings, EncoderInfo
from pigeonhole.inference.encoders.fake_encoder import FakeEncoder
from pigeonhole.inference.image_loader import to_views
from pigeonhole.inference.labels.label_class import LabelClass
from pigeonhole.inference.scoring.calibration import PAIRS, Calibration, Pair, parse_calibration, prior_calibration
from pigeonhole_cli.evaluation import calibrate as calibrating
from pigeonhole_cli.evaluation.calibrate import Labelled, calibrate, labelled
from pigeonhole_cli.evaluation.data import DataError, Item, by_words

Vectors = npt.NDArray[np.float32]

DIM = 64
TRAINED, FRESH = range(24), range(100, 124)  # classes to calibrate on, and others
IMAGE_PAIRS: set[Pair] = {("image", "text"), ("image", "image"), ("text", "image")}
TEXT_TEXT: Pair = ("text", "text")


@dataclass(frozen=True)
class World:
    """An encoder of simulated photos and texts. A photo is two pixels, each of which says what there is on that side."""

    @property
    def info(self) -> EncoderInfo:
        return replace(FakeEncoder(dim=DIM).info, model_id="world", image_side=2, logit_scale=40.0)

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        return rows([self._text(text) for text in texts])

    def fit(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        return np.asarray(image.convert("RGB").resize((2, 2), Image.Resampling.NEAREST))

    def encode_image(self, pixels: npt.NDArray[np.uint8]) -> Vectors:
        return rows([self._photo([tuple(map(int, side)) for side in photo[0]]) for photo in pixels])

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def _text(self, text: str) -> Vectors:
        meaning = sum((direction(name) for name in re.findall(r"thing \d+", text)), start=np.zeros(DIM))
        return meaning + 0.8 * direction("words") + 1.8 * direction(text.replace("picture of ", ""))

    def _photo(self, sides: Sequence[tuple[int, ...]]) -> Vectors:
        shown = list(dict.fromkeys(f"thing {side[0]}" for side in sides))
        meaning = sum((direction(name) for name in shown), start=np.zeros(DIM))
        return meaning + 2 * direction("photos") + 1.6 * direction(f"photo {sides}")


@cache
def direction(of: str) -> npt.NDArray[np.float64]:
    seed = int.from_bytes(hashlib.sha256(of.encode()).digest()[:8], "big")
    vector = np.random.default_rng(seed).standard_normal(DIM)
    return np.asarray(vector / np.linalg.norm(vector))


def rows(vectors: Sequence[Vectors]) -> Vectors:
    matrix = np.stack(vectors) if vectors else np.zeros((0, DIM))
    return np.asarray(matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-9), dtype=np.float32)


def classifier(calibration: Calibration | None = None) -> Classifier:
    world = World()
    generic = world.encode_text([f"concept {number}" for number in range(50)])
    return Classifier(
        encoder=world,
        sentence=world,
        calibration=calibration or prior_calibration(world.info),
        background=BackgroundEmbeddings(generic, generic),
        batch=64,
    )


def png(index: int, number: int) -> bytes:
    file = BytesIO()
    Image.new("RGB", (2, 2), (index, number, 0)).save(file, "PNG")
    return file.getvalue()


def pixels(index: int, number: int) -> npt.NDArray[np.uint8]:
    return np.array([[[index, number, 0]] * 2] * 2, dtype=np.uint8)


def page(index: int, number: int) -> str:
    return f"page {number} about thing {index}"


def photo(index: int, number: int, *truth: str) -> Item:
    return Item(
        "image", f"{index}/{number}.png", truth or (f"thing {index}",), f"photos/{index}/{number}.png", png(index, number)
    )


def text(value: str, *truth: str) -> Item:
    return Item("text", value, truth, f"texts.csv, line {len(value)}")


def photos(classes: Sequence[int] = TRAINED, each: int = 12, first: int = 0) -> list[Item]:
    return [photo(index, number) for index in classes for number in range(first, first + each)]


def texts(classes: Sequence[int] = TRAINED, each: int = 12) -> list[Item]:
    return [text(page(index, n), f"thing {index}") for index in classes for n in range(each)]


@pytest.fixture(scope="module", autouse=True)
def _quickly() -> object:
    """Fewer episodes than for a model that is kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibrating, "EPISODES", 800)
        patch.setattr(calibrating, "LABEL_SETS", 500)
        yield


@pytest.fixture(scope="module")
def data() -> dict[str, Labelled]:
    return {"photos": labelled(classifier(), photos()), "texts": labelled(classifier(), texts())}


@pytest.fixture(scope="module")
def fitted(data: dict[str, Labelled]) -> Calibration:
    return calibrate(classifier(), [data["photos"], data["texts"]])


@dataclass(frozen=True)
class Found:
    """What came of fresh episodes, an entry each: the surest answer's probability, and whether it was right."""

    sure: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]
    by_picture: npt.NDArray[np.bool_]  # whether the right label was described by one
    chose_picture: npt.NDArray[np.bool_]

    @property
    def error(self) -> float:
        """The expected calibration error, over ten bins."""
        bins = np.minimum((self.sure * 10).astype(int), 9)
        return float(sum(abs((self.sure - self.right)[bins == each].sum()) for each in range(10)) / len(self.sure))


def ask(calibration: Calibration, kind: str, none: bool = False, count: int = 50) -> Found:
    """Put fresh samples to label sets of which every other class is described by photos; None is right half of the time."""
    rng, model = np.random.default_rng(1), classifier(calibration)
    answers = []
    for _ in range(count):
        drawn = [int(index) for index in rng.choice(FRESH, rng.integers(3, 13), replace=False)]
        labels, pictures = [], {}
        for position, index in enumerate(drawn):
            shown = [f"{index} {number}" for number in range(rng.integers(1, 4))] if position % 2 else []
            pictures |= {value: pixels(index, 200 + k) for k, value in enumerate(shown)}
            labels.append(LabelClass(f"{index}, shown", (), tuple(shown)) if shown else by_words(f"thing {index}"))
        asked = [*labels, by_words("none of these")] if none else labels
        right = [len(drawn) if none and rng.random() < 0.5 else int(rng.integers(len(drawn))) for _ in range(12)]
        elsewhere = [index for index in FRESH if index not in drawn]
        samples = [(rng.choice(elsewhere) if none and it == len(drawn) else drawn[it], rng.integers(200)) for it in right]
        if kind == "image":
            outcome = model.classify_images([pixels(*sample) for sample in samples], asked, Options(), pictures)
        else:
            outcome = model.classify_texts([page(*sample) for sample in samples], asked, Options(), pictures)
        for it, (best, *_) in zip(right, outcome.ranked, strict=True):
            answers.append((best.probability, best.index == it, bool(asked[it].images), bool(asked[best.index].images)))
    sure, is_right, by_picture, chose_picture = zip(*answers, strict=True)
    return Found(np.array(sure), np.array(is_right), np.array(by_picture), np.array(chose_picture))


@pytest.fixture(scope="module")
def before() -> Callable[..., Found]:
    return cache(partial(ask, prior_calibration(World().info)))


@pytest.fixture(scope="module")
def after(fitted: Calibration) -> Callable[..., Found]:
    return cache(partial(ask, fitted))


Asking = Callable[..., Found]


@pytest.mark.parametrize("kind", ["image", "text"])
def test_words_and_example_images_compete_fairly(before: Asking, after: Asking, kind: str) -> None:
    """With the prior one of them takes nearly all: two photos of different things are more alike than a photo and its name."""
    taken = {
        name: float(found.chose_picture.mean() - found.by_picture.mean())
        for name, found in (("before", before(kind)), ("after", after(kind)))
    }

    assert abs(taken["after"]) < 0.05
    assert abs(taken["after"]) < abs(taken["before"])
    assert after(kind).right.mean() > before(kind).right.mean()


@pytest.mark.parametrize("none", [False, True])
@pytest.mark.parametrize("kind", ["image", "text"])
def test_what_is_said_with_a_probability_is_right_that_often(before: Asking, after: Asking, kind: str, none: bool) -> None:
    assert after(kind, none).error < 0.08
    assert after(kind, none).error < 0.5 * before(kind, none).error
    assert after(kind, none).sure.std() > 0.1, "some answers are surer than others"


def test_several_labels_are_told_from_others_at_even_odds(fitted: Calibration) -> None:
    """Of photos of two things, too."""
    model = classifier(fitted)
    labels = [by_words(f"thing {index}") for index in FRESH]
    pairs = list(pairwise(FRESH))
    collages = [Image.fromarray(np.concatenate([pixels(one, 7), pixels(two, 8)], axis=1)) for one, two in pairs]
    views = [to_views(model.encoder, collage, every_part=True) for collage in collages]

    outcome = model.classify_images(views, labels, Options(multiple_labels=True))

    probabilities = np.zeros((len(pairs), len(labels)))
    for row, ranked in zip(probabilities, outcome.ranked, strict=True):
        row[[each.index for each in ranked]] = [each.probability for each in ranked]
    own = np.array([[index in pair for index in FRESH] for pair in pairs])
    assert (probabilities[own] > 0.5).mean() == pytest.approx((probabilities[~own] < 0.5).mean(), abs=0.1)
    assert (probabilities[own] > 0.5).mean() > 0.8
    chosen = np.array([[k in {each.index for each in row} for k in range(len(labels))] for row in outcome.chosen])
    assert 2 * (chosen & own).sum() / (chosen.sum() + own.sum()) > 0.6, "F1 among 24 labels; the threshold is for ten"


@pytest.mark.parametrize(("given", "measured"), [("photos", IMAGE_PAIRS), ("texts", {TEXT_TEXT}), (None, set(PAIRS))])
def test_pairs_with_data_are_measured_and_the_others_keep_the_prior(
    data: dict[str, Labelled], fitted: Calibration, given: str | None, measured: set[Pair]
) -> None:
    base = prior_calibration(World().info)

    found = calibrate(classifier(), [data[given]]) if given else fitted

    assert found.measured == measured, "so a calibration on photos leaves texts to what is in the code"
    for table, before in ((found.single, base.single), (found.multiple, base.multiple)):
        assert {pair for pair in PAIRS if table[pair] != before[pair]} == measured
    assert all(0.05 <= each <= 0.95 for each in found.thresholds.values())
    if given == "photos":
        assert found.thresholds["text"] == base.thresholds["text"]


def test_a_higher_cosine_never_speaks_against_a_label_and_a_hub_is_held_back(fitted: Calibration) -> None:
    for table in (fitted.single, fitted.multiple):
        for pair, weights in table.items():
            share = calibrating.HUBNESS_SHARE if pair == ("text", "text") else 0
            assert weights.cosine > 0
            assert weights.hubness == pytest.approx(-share * weights.cosine, rel=0.01)


def test_the_same_data_give_the_same_calibration_and_another_seed_another(monkeypatch: pytest.MonkeyPatch) -> None:
    def found() -> Calibration:
        return calibrate(classifier(), [labelled(classifier(), photos(range(4), each=6))])

    first, again = found(), found()
    monkeypatch.setattr(calibrating, "SEED", 8)

    assert first == again != found()


def test_a_file_of_it_reads_back_as_it_was(fitted: Calibration) -> None:
    world = World().info

    assert parse_calibration(fitted.to_content(world.revision, ["photos"]), world) == fitted


@pytest.mark.parametrize(
    "items",
    [
        pytest.param([*photos(range(6)), photo(7, 0)], id="a class of a single photo"),
        pytest.param([*photos(range(2), each=40), *photos(range(2, 8), each=2)], id="classes of very different sizes"),
        pytest.param(photos(range(2), each=8), id="two classes"),
        pytest.param(texts(range(2), each=2), id="two texts of two classes"),
    ],
)
def test_uneven_and_small_data_give_finite_weights(items: list[Item]) -> None:
    found = calibrate(classifier(), [labelled(classifier(), items)])

    for weights in (*found.single.values(), *found.multiple.values()):
        assert np.isfinite([weights.cosine, weights.bias, weights.background, weights.hubness]).all()


def test_of_a_few_photos_it_may_be_that_no_two_make_a_collage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is up to the seed. Then photos of one thing have to do."""
    monkeypatch.setattr(calibrating, "EPISODES", 20)
    monkeypatch.setattr(calibrating, "LABEL_SETS", 20)
    few = labelled(classifier(), photos(range(2), each=2))

    for seed in range(20):
        monkeypatch.setattr(calibrating, "SEED", seed)
        assert calibrate(classifier(), [few]).multiple["image", "text"].cosine > 0


def test_two_names_for_one_thing_are_not_taken_for_each_others_mistakes() -> None:
    """Every other photo's class goes by another name, which this world's encoder takes for the same."""
    once = photos(range(4), each=16)
    twice = [replace(item, truth=(f"picture of {item.truth[0]}",)) if n % 2 else item for n, item in enumerate(once)]

    clean, found = (calibrate(classifier(), [labelled(classifier(), items)]) for items in (once, twice))

    for pair in IMAGE_PAIRS:
        # Mistakes that are none would teach to trust cosines less.
        assert found.single[pair].cosine > 0.8 * clean.single[pair].cosine
        assert found.multiple[pair].cosine > 0.8 * clean.multiple[pair].cosine


def test_names_that_all_mean_the_same_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing that would be wrong for any sample, so nothing to fit."""
    monkeypatch.setattr(calibrating, "ALIKE", -1.0)

    with pytest.raises(DataError, match="thing"):
        calibrate(classifier(), [labelled(classifier(), photos(range(2)))])


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([photo(1, 0), photo(1, 1)], ["photos/1/0.png", "2 classes", "'thing 1'"]),
        ([text("a page", "thing 1")], ["texts.csv, line 6", "2 classes", "'thing 1'"]),
        ([photo(1, 0), text("a page", "thing 2")], ["texts.csv, line 6", "one type"]),
        ([photo(1, 0), photo(2, 0, "thing 1", "thing 2")], ["photos/2/0.png", "one label each"]),
        ([photo(1, 0), photo(2, 0), replace(photo(3, 0), truth=())], ["photos/3/0.png", "one label each"]),
        ([photo(1, 0), photo(2, 0, "not spam")], ["photos/2/0.png", "'not spam'"]),
        ([photo(1, 0), photo(2, 0, "other")], ["photos/2/0.png", "'other'"]),
        ([text("a page", "none of these"), text("two pages", "thing 2")], ["texts.csv, line 6", "'none of these'"]),
    ],
)
def test_samples_that_do_not_fit_are_refused_with_their_place(items: list[Item], said: list[str]) -> None:
    with pytest.raises(DataError) as refused:
        labelled(classifier(), items)

    assert all(part in str(refused.value) for part in said), str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("broken", [b"no picture", png(2, 0)[:40], Path("there/is/none.png")], ids=["text", "cut", "missing"])
def test_a_picture_that_cannot_be_read_is_named(broken: bytes | Path) -> None:
    """Among thousands nobody would find it."""
    faulty = replace(photo(2, 0), where="photos/2/faulty.png", data=broken)

    with pytest.raises((SampleError, DataError), match=r"faulty\.png|none\.png"):
        labelled(classifier(), [photo(1, 0), faulty])


@pytest.mark.parametrize("make", [photos, texts])
def test_of_a_large_data_set_so_many_are_drawn_at_random(
    make: Callable[..., list[Item]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrating, "MOST", 50)

    found = labelled(classifier(), make(range(10), each=30))

    assert len(found.vectors) == len(found.classes) == 50
    assert found.pixels is None or len(found.pixels) == 50
    assert len(found.names) > 5, "of all classes, not the first ones"
    assert np.array_equal(found.vectors, labelled(classifier(), make(range(10), each=30)).vectors)


def test_samples_are_embedded_in_their_order_with_their_classes() -> None:
    items = [photo(3, 0), photo(1, 5), photo(3, 1)]

    found = labelled(classifier(), items)

    assert found.names == ("thing 1", "thing 3")
    assert found.classes.tolist() == [1, 0, 1]
    assert found.own.tolist() == [[False, True], [True, False], [False, True]]
    assert found.pixels is not None
    assert found.pixels[:, 0, 0].tolist() == [[3, 0, 0], [1, 5, 0], [3, 1, 0]]
    assert np.allclose(found.vectors, World().encode_image(found.pixels))
