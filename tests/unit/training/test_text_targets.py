"""training/text_targets.py: the texts that are targets of a photo, and the texts that are no negatives of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from general_words import GENERAL_WORDS, MAY_SHOW, WORDS, covers
from support.fake_encoder import FakeEncoder
from text_targets import TEMPLATES, TextTargets

pytestmark = pytest.mark.torch

NAMES = (("tabby, tabby cat", "kimono", "desk"), ("cat", "person", "desk"))
# Words that cover no class are no targets.
HAS_ANY = covers([name for source in NAMES for name in source]).any(axis=0)
TARGET_WORDS = [word for word, has_any in zip(WORDS, HAS_ANY, strict=True) if has_any]


@pytest.fixture(scope="module")
def targets() -> TextTargets:
    return TextTargets(lambda texts: FakeEncoder(dim=256).encode_text(texts), list(NAMES))


def test_a_class_that_a_photo_may_show_is_not_its_negative(targets: TextTargets) -> None:
    names = [name.split(",")[0] for source in NAMES for name in source]
    pairs = {tuple(sorted((names[i], names[j]))) for i, j in targets.no_negative.nonzero().tolist()}

    assert pairs == {("cat", "tabby"), ("kimono", "person"), ("desk", "desk")}


def test_a_word_covers_its_kinds(targets: TextTargets) -> None:
    covered = {TARGET_WORDS[index] for index in targets.covered[0].nonzero()[:, 0].tolist()}

    assert covered == {"cat", "animal"}
    assert bool((targets.no_negative_word >= targets.covered).all())


def test_the_loss_is_small_near_a_photos_own_texts_and_large_near_other_texts(targets: TextTargets) -> None:
    cat = TARGET_WORDS.index("cat")
    vectors = torch.nn.functional.normalize(targets.classes.mean(0, 1) + targets.words.mean(cat, cat + 1), dim=-1)

    def loss(index: int) -> float:
        draws = [np.random.default_rng(seed) for seed in range(30)]
        return float(np.mean([targets.loss(vectors, torch.tensor([index]), torch.tensor(20.0), rng) for rng in draws]))

    assert loss(0) < 0.7 * min(loss(1), loss(2))


def test_a_photo_that_no_word_covers_counts_only_for_its_class(targets: TextTargets) -> None:
    uncovered = TextTargets(lambda texts: FakeEncoder(dim=256).encode_text(texts), [("trilobite", "tabby")])

    loss = uncovered.loss(uncovered.classes.mean(0, 1), torch.tensor([0]), torch.tensor(20.0), np.random.default_rng(0))

    assert bool(torch.isfinite(loss))
    assert uncovered.covered.any(dim=1).tolist() == [False, True]


def test_the_common_name_is_embedded_in_the_templates_of_the_model(targets: TextTargets) -> None:
    expected = FakeEncoder(dim=256).encode_text([template.format("tabby") for template in TEMPLATES]).mean(axis=0)

    assert np.allclose(targets.classes.mean(0, 1)[0], expected / np.linalg.norm(expected), atol=1e-6)


def test_the_tables_list_each_kind_once() -> None:
    for kinds in (*GENERAL_WORDS.values(), *MAY_SHOW.values()):
        listed = kinds.split(", ")
        assert len(listed) == len(set(listed))
        assert all(name == name.strip() and name for name in listed)
