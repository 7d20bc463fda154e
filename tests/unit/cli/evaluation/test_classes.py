"""Which classes of several sets exclude each other."""

from __future__ import annotations

import random

import pytest

from pigeonhole_cli.evaluation.classes import Classes, share_word
from pigeonhole_cli.evaluation.item import Item


def items(set_name: str | None, *labels: str) -> list[Item]:
    return [Item("text", f"about {label}", (label,), f"{set_name}/{label}", task=set_name) for label in labels]


PLACES, TOURS = (
    items("places", "mountain", "forest", "tennis court"),
    items("tours", "mountains", "rainforest", "city", "city hall"),
)


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [
        ("mountain", "mountain range", True),
        ("Mountains", "mountain", True),
        ("forest", "rainforest", True),
        ("a photo of a car", "a photo of a dog", False),
        ("tea", "team", False),
    ],
)
def test_labels_that_share_a_word_may_mean_the_same(one: str, other: str, share: bool) -> None:
    assert share_word(one, other) == share_word(other, one) == share


def test_classes_of_one_set_exclude_each_other_and_those_of_two_sets_if_they_share_no_word() -> None:
    classes = Classes.of([*PLACES, *TOURS])

    assert classes.exclude("city", "city hall")
    assert not classes.exclude("mountain", "mountains")
    assert set(classes.others(["mountain", "forest"])) == {"tennis court", "city", "city hall"}


@pytest.mark.parametrize("seed", range(5))
def test_drawn_classes_exclude_each_other(seed: int) -> None:
    classes = Classes.of([*PLACES, *TOURS])

    drawn = classes.draw(7, random.Random(seed))

    assert len(drawn) == len(set(drawn)) == 5
    assert all(classes.exclude(one, other) for one in drawn for other in drawn if one != other)


def test_labels_that_name_no_thing_are_no_classes() -> None:
    classes = Classes.of(items("masks", "mask", "no mask", "other", "scarf"))

    assert set(classes.samples) == {"mask", "scarf"}
