"""Two texts name the same thing if they differ in form only, and a label may name part of a thing."""

import pytest

from pigeonhole.inference.labels.same_thing import is_named, is_same_thing


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("hotdog", "a hotdog", True),
        ("Hot dog", "hotdogs", True),
        ("cats", "Cat.", True),
        ("news", "new", False),
        ("goods", "good", False),
        ("glass", "glas", False),
        ("cat", "dog", False),
        ("with a mask", "mask", True),
        ("about cats", "cats", True),
        ("a photo of a cat", "cat", True),
        ("猫", "猫", True),
        ("!", "?", False),
    ],
)
def test_two_texts_name_the_same_thing(first: str, second: str, same: bool) -> None:
    assert is_same_thing(first, second) is same


@pytest.mark.parametrize(
    ("thing", "label", "named"),
    [
        ("spam", "spam", True),
        ("spam email", "spam", True),
        ("spam", "spam emails", True),
        ("toxic", "toxicity", True),
        ("violent", "violence", True),
        ("Hodgkin lymphoma", "classical Hodgkin lymphoma", True),
        ("Hodgkin lymphoma", "lymphoma", False),
        ("contact delivery", "contact form", False),
        ("communicable disease", "community", False),
        ("compete agreement", "competition law", False),
        ("人", "有人", True),
        ("", "cat", False),
    ],
)
def test_a_label_names_a_thing_or_what_its_first_word_says(thing: str, label: str, named: bool) -> None:
    assert is_named(thing, ["something else", label]) is named
