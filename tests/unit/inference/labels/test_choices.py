"""Options that mean nothing without their question become texts that say what they mean."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pigeonhole.inference.labels.choices import LabelTexts, Option, read_choice, read_levels


def options(*values: str) -> list[Option]:
    return [Option(value) for value in values]


def single(*texts: str) -> tuple[tuple[str, ...], ...]:
    return tuple((text,) for text in texts)


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (("yes", "no"), ("spam", "not spam")),
        (("No", "Yes"), ("not spam", "spam")),
        (("true", "false"), ("spam", "not spam")),
    ],
)
def test_yes_and_no_are_what_the_question_asserts_and_the_opposite(values: tuple[str, ...], texts: tuple[str, ...]) -> None:
    assert read_choice("Is this message spam?", options(*values)) == LabelTexts(single(*texts))


def test_no_is_none_of_these_where_the_assertion_has_no_negation() -> None:
    assert read_choice("Is it working?", options("yes", "no")).texts == single("working", "none of these")


def test_described_yes_and_no_have_their_descriptions() -> None:
    described = [Option("yes", ("unsolicited advertising",)), Option("no", ("a personal message",))]
    assert read_choice("Is this spam?", described) == LabelTexts(single("unsolicited advertising", "a personal message"))


@pytest.mark.parametrize(
    "values",
    [
        ("low", "medium", "high"),
        ("in favour", "against", "no stance"),
        ("agree", "strongly disagree"),
        ("1", "2", "3"),
        ("not at all", "very"),
        ("yes", "no", "unsure"),
        ("4/5", "5 stars"),
        ("low", "high", "other"),
    ],
)
def test_the_question_is_the_instruction_of_options_that_depend_on_it(values: tuple[str, ...]) -> None:
    assert read_choice("What is the stance on taxes?", options(*values)) == LabelTexts(
        single(*values), "What is the stance on taxes"
    )


@pytest.mark.parametrize(
    "values",
    [
        ("billing", "shipping"),
        ("positive", "neutral", "negative"),
        ("low fat", "high fat"),
        ("cat", "dog"),
        ("niedrig", "hoch"),
    ],
)
def test_the_question_is_no_context_of_options_that_say_what_they_mean(values: tuple[str, ...]) -> None:
    assert read_choice("What is this about?", options(*values)) == LabelTexts(single(*values))


def test_the_descriptions_of_an_option_join_its_value() -> None:
    described = [Option("billing", ("invoices and charges",)), Option("other")]
    assert read_choice("Which team?", described) == LabelTexts((("billing", "invoices and charges"), ("other",)))


def test_a_described_degree_has_its_descriptions_only() -> None:
    described = [Option("low", ("it can wait",)), Option("high", ("an emergency",))]
    assert read_levels("How urgent is it?", described) == LabelTexts(single("it can wait", "an emergency"))


@pytest.mark.parametrize(
    ("levels", "texts"),
    [
        (("low", "high"), ("not urgent", "urgent")),
        (("low", "medium", "high"), ("not urgent", "somewhat urgent", "very urgent")),
        (("high", "medium", "low"), ("very urgent", "somewhat urgent", "not urgent")),
        (("1", "2", "3", "4"), ("not urgent", "slightly urgent", "quite urgent", "very urgent")),
        (("3", "2", "1"), ("very urgent", "somewhat urgent", "not urgent")),
        (("1 star", "2 stars"), ("not urgent", "urgent")),
        (
            ("none", "mild", "moderate", "strong", "severe"),
            ("not urgent", "slightly urgent", "somewhat urgent", "quite urgent", "very urgent"),
        ),
    ],
)
def test_levels_without_a_meaning_are_degrees_of_what_the_question_asks(
    levels: tuple[str, ...], texts: tuple[str, ...]
) -> None:
    assert read_levels("How urgent is this message?", options(*levels)) == LabelTexts(single(*texts))


@pytest.mark.parametrize(
    "question", ["How many people are there?", "How likely is it that they leave?", "What is the urgency?"]
)
def test_levels_of_other_questions_have_the_question_as_their_instruction(question: str) -> None:
    assert read_levels(question, options("low", "high")) == LabelTexts(single("low", "high"), question.rstrip("?"))


def test_levels_that_say_what_they_mean_stay_as_they_are() -> None:
    levels = options("it can wait", "soon", "an emergency")
    assert read_levels("How urgent is it?", levels) == LabelTexts(single("it can wait", "soon", "an emergency"))


@given(st.text(max_size=50), st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=6))
def test_each_option_has_a_text(question: str, values: list[str]) -> None:
    for read in (read_choice, read_levels):
        texts = read(question, options(*values)).texts
        assert len(texts) == len(values)
        assert all(texts)


def test_functions_api_can_import_the_module() -> None:
    lines = "import sys, pigeonhole.inference.labels.choices\nassert not {'numpy', 'emoji', 'onnxruntime'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", lines], check=True)
