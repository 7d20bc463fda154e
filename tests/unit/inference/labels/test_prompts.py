"""A label is rendered in the templates that fit its form, with and without the instruction."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
def test_the_form_of_a_label_is_detected(label: str, expected: LabelForm) -> None:
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


def test_the_callers_templates_are_used_unchanged() -> None:
    assert build_prompts("people", TEMPLATES, templates=("a {} seen from above",), descriptions=("men",)) == (
        "a people seen from above",
    )


def test_an_instruction_adds_a_variant_of_each_prompt() -> None:
    assert build_prompts("a", ("{}",), instruction="tickets of a bank") == ("a", "a (tickets of a bank)")


def test_descriptions_are_further_prompts() -> None:
    assert build_prompts("positive", ("{}",), descriptions=("I loved it.", "positive")) == ("positive", "I loved it.")


def test_braces_in_a_label_or_an_instruction_stay_text() -> None:
    assert render("a photo of {}", "{} and {0}") == "a photo of {} and {0}"
    assert build_prompts("cat", ("{}!",), instruction="say {} or {x}") == ("cat!", "cat! (say {} or {x})")


@given(st.text(), st.text().filter(lambda text: "{}" not in text), st.text())
def test_rendering_keeps_every_character(label: str, before: str, after: str) -> None:
    # A brace at the end of `before` would move the first `{}`.
    before = before.rstrip("{")
    assert render(f"{before}{{}}{after}", label) == f"{before}{label}{after}"


@given(st.text(max_size=100))
def test_any_label_has_a_prompt(label: str) -> None:
    assert build_prompts(label, TEMPLATES)
