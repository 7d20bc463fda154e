"""The head starts at nothing, and learns which label a text belongs to."""

from __future__ import annotations

import random

import pytest
import torch
from torch.nn.functional import normalize

import train_multilingual
from text_sets import Question, TextSet
from train_multilingual import QUESTIONS, Head, take_some, train

pytestmark = pytest.mark.torch


def test_the_head_starts_unchanged() -> None:
    rows = normalize(torch.randn(5, 8), dim=-1)

    torch.testing.assert_close(Head(8).eval()(rows), rows)


def test_training_draws_texts_to_their_labels() -> None:
    torch.manual_seed(0)
    names = ["good film", "bad film", "good", "bad"]
    rows = dict(zip(names, normalize(torch.randn(4, 16), dim=-1), strict=True))
    question = Question(texts=["good film", "bad film"], labels=["bad", "good"], truth=[1, 0])
    head = Head(16)

    train(head, [question] * QUESTIONS * 150, rows, rate=1e-2)

    with torch.inference_mode():
        good_film, bad_film, good, bad = head.eval()(torch.stack([rows[name] for name in names]))
    assert good_film @ good > good_film @ bad
    assert bad_film @ bad > bad_film @ good


def test_each_label_keeps_as_many_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_multilingual, "OTHER_TEXTS", 10)
    texts = {"gut": [f"gut {index}" for index in range(90)], "schlecht": ["schlecht 0", "schlecht 1"]}
    text_set = TextSet("kritik", "kritik", "de", "train", {label: [label] for label in texts}, texts)

    kept = take_some(text_set, random.Random(0))

    assert len(kept.texts["gut"]) == 5
    assert sorted(kept.texts["schlecht"]) == ["schlecht 0", "schlecht 1"]
