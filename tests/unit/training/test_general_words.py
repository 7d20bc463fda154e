"""WordNet's hypernyms give general words to ImageNet's classes and to the photos of other sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from general_words import COARSE_SET, MAX_PHOTOS, MIDDLE_SET, GeneralWords, find_chains, find_hyponyms, read_nouns
from photo_features import Example
from pretrained_parts import ImageNetClass

pytestmark = pytest.mark.torch

# The key, the number of the file, the type, the number of lemmas in hexadecimal, each lemma with a number, the number of
# pointers, and four fields for each pointer. "@" points to a hypernym and "~" to a hyponym.
DATA = """\
  1 This software and database is being provided to you, the LICENSEE, by
00000001 03 n 01 entity 0 001 ~ 00000002 n 0000 | that which exists
00000002 05 n 02 animal 0 fauna 0 002 @ 00000001 n 0000 ~ 00000003 n 0000 | a living organism
00000003 05 n 01 bird 0 002 @ 00000002 n 0000 ~ 00000005 n 0000 | warm-blooded egg-laying vertebrates; "a bird"
00000004 06 n 01 lifting_device 0 001 @ 00000001 n 0000 | a device for lifting heavy loads
00000005 05 n 01 crane 0 001 @ 00000003 n 0000 | large long-necked wading bird of marshes
00000006 06 n 01 crane 0 001 @ 00000004 n 0000 | lifts and moves heavy objects
00000007 05 n 01 great_horned_owl 0 001 @ 00000003 n 0000 | brown North American owl
"""
CLASSES = [
    ImageNetClass(("crane",), "lifts and moves heavy objects; lifting tackle is suspended from a pivoted boom"),
    ImageNetClass(("crane",), "large long-necked wading bird of marshes and plains"),
    ImageNetClass(("great horned owl", "Bubo"), "brown North American horned owl"),
    ImageNetClass(("unknown",), "in no dictionary"),
]


@pytest.fixture
def words(tmp_path: Path) -> GeneralWords:
    (tmp_path / "data.noun").write_text(DATA)
    return GeneralWords(CLASSES, find_chains(CLASSES, read_nouns(tmp_path / "data.noun")))


def test_a_class_is_found_by_its_name_and_its_definition(tmp_path: Path) -> None:
    (tmp_path / "data.noun").write_text(DATA)

    chains = find_chains(CLASSES, read_nouns(tmp_path / "data.noun"))

    names = [[noun.lemmas[0] for noun in chain] for chain in chains]
    assert names == [["lifting device", "entity"], ["bird", "animal", "entity"], ["bird", "animal", "entity"], []]


def test_a_word_has_all_its_classes_unless_it_means_nearly_everything(tmp_path: Path) -> None:
    (tmp_path / "data.noun").write_text(DATA)
    chains = find_chains(CLASSES, read_nouns(tmp_path / "data.noun"))

    assert find_hyponyms(CLASSES, chains) == {"animal": [1, 2], "bird": [1, 2], "crane": [0, 1], "fauna": [1, 2]}


@pytest.mark.parametrize(
    ("example", "found"),
    [
        (Example("train-tiny-imagenet", "great horned owl, Bubo", ""), {COARSE_SET: "animal"}),
        (Example("train-photos", "person", ""), {COARSE_SET: "person"}),
        (Example("train-tiny-imagenet", "bikini, two-piece", ""), {COARSE_SET: "person"}),
        (Example("train-cifar", "airplane", ""), {COARSE_SET: "vehicle", MIDDLE_SET: "aircraft"}),
        (Example("smiles", "smiling face", ""), {COARSE_SET: "person"}),
        (Example("train-photos", "snoopy", ""), {}),
        (Example("clip-art", "crane", ""), {}),
    ],
)
def test_labels_have_general_words_as_far_as_they_are_known(
    words: GeneralWords, example: Example, found: dict[str, str]
) -> None:
    assert words.find(example) == found


def test_photos_are_drawn_evenly_of_all_sets(words: GeneralWords) -> None:
    many, few = [Example("smiles", "smiling face", "")] * (2 * MAX_PHOTOS), [Example("train-photos", "person", "")] * 40

    drawn = words.draw([*many, *few])

    rows = drawn[COARSE_SET]["person"]
    assert len(rows) == len(set(rows)) == MAX_PHOTOS // 2 + 40
    assert drawn[MIDDLE_SET] == {}
