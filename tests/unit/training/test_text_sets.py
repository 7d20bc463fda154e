"""Questions are drawn from the training sets only, and families of sets weigh alike."""

from __future__ import annotations

import random
from collections import Counter

import pytest

import text_sets
from text_sets import QuestionSampler, TextSet


def text_set(name: str, *, family: str, labels: int = 3, language: str = "en", split: str = "train") -> TextSet:
    names = [f"{name} label {index}" for index in range(labels)]
    texts = {label: [f"{label} TEXT {k}" for k in range(5)] for label in names}
    return TextSet(name, family, language, split, {label: [label, f"{label} reworded"] for label in names}, texts)


def sampler(*sets: TextSet) -> QuestionSampler:
    return QuestionSampler(sets, random.Random(0))


def test_each_text_goes_with_a_prompt_of_its_label() -> None:
    question = sampler(text_set("news", family="news")).draw(20)

    assert len(question.texts) == len(question.truth) == 20
    for text, index in zip(question.texts, question.truth, strict=True):
        label = text.lower().partition(" text ")[0]
        assert label in question.labels[index]


def test_large_label_sets_are_cut() -> None:
    question = sampler(text_set("intents", family="intents", labels=50)).draw(4)

    assert len(question.labels) == text_sets.MAX_LABELS
    assert len({*question.labels}) == text_sets.MAX_LABELS


@pytest.mark.parametrize("name", sorted(text_sets.LEFT_OUT))
def test_sets_that_are_left_out_are_never_drawn(name: str) -> None:
    drawn = sampler(text_set(name, family="a"), text_set("exam", family="b", split="dev"), text_set("allowed", family="c"))

    labels = [label for _ in range(40) for label in drawn.draw(1).labels]

    assert all("allowed" in label for label in labels)


def test_a_family_of_many_sets_weighs_as_much_as_one_of_a_single_set() -> None:
    many = [text_set(f"many {index}", family="many") for index in range(9)]
    drawn = sampler(*many, text_set("single", family="single"))

    counts = Counter("single" in drawn.draw(1).labels[0] for _ in range(1_000))

    assert 400 < counts[True] < 600


def test_families_without_english_sets_weigh_less() -> None:
    drawn = sampler(text_set("german", family="german", language="de"), text_set("english", family="english"))

    counts = Counter("english" in drawn.draw(1).labels[0] for _ in range(1_000))

    assert counts[False] / counts[True] == pytest.approx(text_sets.OTHER_LANGUAGE, abs=0.08)
