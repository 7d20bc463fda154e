"""Embedding labelled samples for a calibration, and the samples that are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pigeonhole_cli.evaluation.calibration import episodes
from pigeonhole_cli.evaluation.calibration.episodes import EpisodeSampler, compare, embed, embed_sets
from pigeonhole_cli.evaluation.item import DataError, Item
from support.cli.simulated_encoder import SimulatedEncoder, classifier, photo, photos, png, text, texts


@pytest.mark.parametrize(
    ("items", "words"),
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
def test_samples_that_do_not_suit_a_calibration_are_refused_with_their_location(items: list[Item], words: list[str]) -> None:
    with pytest.raises(DataError) as raised:
        embed(classifier(), items)

    assert all(word in str(raised.value) for word in words), str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("broken", [b"no image", png(2, 0)[:40], Path("there/is/none.png")], ids=["text", "cut", "missing"])
def test_an_image_that_cannot_be_read_is_named(broken: bytes | Path) -> None:
    faulty = replace(photo(2, 0), where="photos/2/faulty.png", data=broken)

    with pytest.raises(DataError, match=r"faulty\.png|none\.png"):
        embed(classifier(), [photo(1, 0), faulty])


@pytest.mark.parametrize("make", [photos, texts])
def test_a_large_data_set_is_sampled_at_random(make: Callable[..., list[Item]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(episodes, "MAX_ITEMS", 50)

    data = embed(classifier(), make(range(10), count=30))

    assert len(data.vectors) == len(data.classes) == 50
    assert data.pixels is None or len(data.pixels) == 50
    assert len(data.names) > 5, "samples of all classes, not of the first ones"
    assert np.array_equal(data.vectors, embed(classifier(), make(range(10), count=30)).vectors)


def test_samples_keep_their_order_and_classes() -> None:
    items = [photo(3, 0), photo(1, 5), photo(3, 1)]

    data = embed(classifier(), items)

    assert data.names == ("thing 1", "thing 3")
    assert data.classes.tolist() == [1, 0, 1]
    assert data.truth.tolist() == [[False, True], [True, False], [False, True]]
    assert data.pixels is not None
    assert data.pixels[:, 0, 0].tolist() == [[3, 0, 0], [1, 5, 0], [3, 1, 0]]
    assert np.allclose(data.vectors, SimulatedEncoder().encode_image(data.pixels))


def in_set(name: str, items: list[Item]) -> list[Item]:
    return [replace(item, task=name) for item in items]


def test_each_set_is_embedded_with_its_own_classes() -> None:
    items = [*in_set("sun-1", photos(range(3), count=2)), *in_set("sun-2", photos(range(2, 5), count=2)), *photos(range(2))]

    first, second, rest = embed_sets(classifier(), items)

    assert (first.name, first.family, first.names) == ("sun-1", "sun", ("thing 0", "thing 1", "thing 2"))
    assert (second.name, second.family, second.names) == ("sun-2", "sun", ("thing 2", "thing 3", "thing 4"))
    assert (rest.name, rest.family) == (None, None)


def test_labels_that_negate_and_sets_of_one_label_are_left_out() -> None:
    masks = in_set("masks", [photo(1, 0), photo(2, 0), photo(3, 0, "no mask")])
    alone = in_set("alone", [photo(1, 0), photo(2, 0, "not a thing")])

    (masks_only,) = embed_sets(classifier(), [*masks, *alone])

    assert masks_only.names == ("thing 1", "thing 2")


def test_sets_share_the_samples_that_are_used_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(episodes, "MAX_ITEMS", 24)

    large, small = embed_sets(classifier(), [*in_set("a", photos(range(4), count=30)), *in_set("b", photos(range(2), count=4))])

    assert np.bincount(large.classes).tolist() == [3, 3, 3, 3]
    assert len(small.classes) == 8


def test_wrong_labels_come_from_the_own_set_or_from_other_sets() -> None:
    """A third class, of another data set, is wrong for the first class only."""
    model = classifier()
    data = replace(embed(model, photos(range(2), count=2)), name="s")
    different = np.array([[False, True, True], [True, False, False]])
    labels = model.embed_label_texts("image", ["thing 0", "thing 1", "thing 2"])
    sampler = EpisodeSampler(data, different, compare(model, ("image", "text"), data.vectors, labels), [])
    rng = np.random.default_rng(0)

    drawn = [sampler.draw(rng) for _ in range(40)]

    assert all(np.isfinite(episode.features).all() and episode.family == "s" for episode in drawn)
    assert {episode.right for episode in drawn} == {0, 1}
