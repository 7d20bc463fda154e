"""Prompts: a label goes where `{}` is, in the templates that fit its form, and an instruction adds its context."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pigeonhole.inference.labels.descriptions import find_descriptions, resolve_opposites
from pigeonhole.inference.labels.label_class import Meaning
from pigeonhole.inference.labels.prompts import LabelForm, build_prompts, detect_form, render

TEMPLATES = ("{}", "a photo of a {}", "a picture of the {}")


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("dog", "noun"),
        ("Dog", "noun"),
        ("golden retriever", "noun"),
        ("cup of coffee", "noun"),
        ("bus", "noun"),
        ("glass", "noun"),
        ("can of soup", "noun"),
        ("people", "phrase"),
        ("dogs", "phrase"),
        ("a dog", "phrase"),
        ("two dogs on a sofa", "phrase"),
        ("the sky at night", "phrase"),
        ("playing football", "phrase"),
        ("Eiffel Tower", "name"),
        ("NASA", "name"),
        ("iPhone", "name"),
        ("Lake of Geneva", "name"),
        ("The customer is angry.", "sentence"),
        ("Is it red?", "sentence"),
        ("someone is riding a horse", "sentence"),
        ("a very long description of what could be seen on the photo", "sentence"),
        ("", "noun"),
    ],
)
def test_a_labels_form(label: str, expected: LabelForm) -> None:
    assert detect_form(label) == expected


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("dog", ("dog", "a photo of a dog", "a picture of the dog")),
        ("people", ("people", "a photo of people", "a picture of people")),
        ("a dog", ("a dog", "a photo of a dog", "a picture of a dog")),
        ("Eiffel Tower", ("Eiffel Tower", "a photo of Eiffel Tower", "a picture of Eiffel Tower")),
        ("It is a dog.", ("It is a dog.",)),
    ],
)
def test_a_label_is_rendered_in_the_templates_that_fit(label: str, expected: tuple[str, ...]) -> None:
    assert build_prompts(label, TEMPLATES) == expected


def test_the_callers_own_templates_are_taken_as_they_are() -> None:
    assert build_prompts("people", TEMPLATES, templates=("a {} seen from above",), descriptions=("men",)) == (
        "a people seen from above",
    )


def test_an_instruction_joins_the_plain_prompts() -> None:
    assert build_prompts("a", ("{}",), instruction="tickets of a bank") == ("a", "a (tickets of a bank)")


def test_other_words_for_a_label_stand_beside_it() -> None:
    assert build_prompts("positive", ("{}",), descriptions=("I loved it.", "positive")) == ("positive", "I loved it.")


def test_braces_in_a_label_or_an_instruction_stay_text() -> None:
    assert render("a photo of {}", "{} and {0}") == "a photo of {} and {0}"
    assert build_prompts("cat", ("{}!",), instruction="say {} or {x}") == ("cat!", "cat! (say {} or {x})")


@given(st.text(), st.text().filter(lambda text: "{}" not in text), st.text())
def test_rendering_keeps_every_character(label: str, before: str, after: str) -> None:
    # A brace at the end of `before` would move where the first `{}` is.
    before = before.rstrip("{")
    assert render(f"{before}{{}}{after}", label) == f"{before}{label}{after}"


@given(st.text(max_size=100))
def test_any_label_has_a_prompt(label: str) -> None:
    assert build_prompts(label, TEMPLATES)


@pytest.mark.parametrize("label", ["positive", "Positive", "a positive", "POSITIVE."])
def test_the_glossary_knows_a_label_however_it_is_written(label: str) -> None:
    assert "I loved it" in find_descriptions(label)[0]


def test_the_glossary_is_silent_about_other_labels() -> None:
    assert find_descriptions("cat") == ()


@pytest.mark.parametrize(
    ("negated", "opposite"), [("positive", "negative"), ("Negative", "positive"), ("satisfied", "dissatisfied")]
)
def test_what_is_not_the_one_of_two_opposites_is_the_other(negated: str, opposite: str) -> None:
    assert resolve_opposites(Meaning((), negated=(negated,))) == Meaning((opposite,))


def test_what_has_no_opposite_stays_negated() -> None:
    assert resolve_opposites(Meaning(("urgent",), negated=("spam", "good"))) == Meaning(("urgent", "bad"), negated=("spam",))
