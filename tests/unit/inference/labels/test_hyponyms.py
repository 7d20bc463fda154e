"""A general word finds the trained classes that it names, however it is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pigeonhole.inference.labels.hyponyms import Hyponyms

CLASSES = np.eye(5, dtype=np.float32)
HYPONYMS = Hyponyms(CLASSES, {"animal": [0, 1, 2], "bus": [3, 4], "fish": [1], "berry": [2, 4], "pet": [0, 4]})


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("animal", [0, 1, 2]),
        ("Animal", [0, 1, 2]),
        (" an animal ", [0, 1, 2]),
        ("The animals", [0, 1, 2]),
        ("buses", [3, 4]),
        ("bus", [3, 4]),
        ("berries", [2, 4]),
        ("fish", [1]),
        ("thebus", []),
        ("animal hospital", []),
        ("tabby cat", []),
        ("s", []),
        ("", []),
    ],
)
def test_the_spelling_of_a_word_does_not_matter(text: str, classes: list[int]) -> None:
    assert HYPONYMS.find([text]) == classes


def test_several_texts_have_each_hyponym_once() -> None:
    assert HYPONYMS.find(["pets", "animal"]) == [0, 1, 2, 4]


def test_the_words_are_read_as_they_were_written(tmp_path: Path) -> None:
    HYPONYMS.write(tmp_path / "hyponyms.json")

    assert Hyponyms.read(tmp_path / "hyponyms.json", CLASSES).words == HYPONYMS.words


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("[]", "an object of lists"),
        ('{"animal": 1}', "an object of lists"),
        ('{"animal": []}', "the classes of 'animal' must be numbers from 0 to 4"),
        ('{"animal": [5]}', "from 0 to 4"),
        ('{"animal": [-1]}', "from 0 to 4"),
        ('{"animal": ["cat"]}', "from 0 to 4"),
        ("{", "Expecting property name"),
    ],
)
def test_a_table_of_other_classes_is_refused(content: str, fault: str, tmp_path: Path) -> None:
    (tmp_path / "hyponyms.json").write_text(content)

    with pytest.raises(ValueError, match=fault):
        Hyponyms.read(tmp_path / "hyponyms.json", CLASSES)
