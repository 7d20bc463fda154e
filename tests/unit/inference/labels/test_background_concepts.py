"""The background concepts are many, short, clean and without repeats, so that each counts once."""

import pytest

from pigeonhole.inference.labels.background_concepts import PHOTO_CONCEPTS, TEXTS
from pigeonhole.inference.labels.reading import parse_label

BOTH = pytest.mark.parametrize("entries", [PHOTO_CONCEPTS, TEXTS], ids=["photo concepts", "texts"])


def test_there_are_enough_concepts() -> None:
    assert 450 <= len(PHOTO_CONCEPTS) <= 600
    assert 270 <= len(TEXTS) <= 350


@BOTH
def test_no_entry_is_repeated(entries: tuple[str, ...]) -> None:
    folded = [entry.casefold().rstrip(".?!") for entry in entries]
    assert sorted({entry for entry in folded if folded.count(entry) > 1}) == []


@BOTH
def test_entries_have_no_extra_space(entries: tuple[str, ...]) -> None:
    assert [entry for entry in entries if not entry or entry != " ".join(entry.split())] == []


def test_photo_concepts_have_few_words() -> None:
    assert [concept for concept in PHOTO_CONCEPTS if len(concept.split()) > 4] == []


def test_photo_concepts_are_plain_labels() -> None:
    assert [concept for concept in PHOTO_CONCEPTS if parse_label(concept).kind != "plain"] == []


def test_texts_are_short_sentences() -> None:
    assert [text for text in TEXTS if not 3 <= len(text.split()) <= 30] == []
