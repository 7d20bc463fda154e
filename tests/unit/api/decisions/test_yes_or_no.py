"""A question to be answered by yes or no has two options."""

from __future__ import annotations

from pigeonhole.api.decisions.questions import Option
from pigeonhole.api.decisions.yes_or_no import to_yes_and_no


def test_criteria_are_further_texts_of_the_options() -> None:
    yes, no = to_yes_and_no("Is it spam?", Option("y", ("advertising",)), Option("n", ("a conversation",)))

    assert (yes.name, no.name) == ("y", "n")
    assert (yes.texts[1:], no.texts[1:]) == (("advertising",), ("a conversation",))


def test_the_words_that_only_ask_are_left_out() -> None:
    yes, no = to_yes_and_no("Is this message about billing?", Option("y"), Option("n"))

    assert (yes.texts, no.texts) == (("billing",), ("not billing",))


def test_where_no_text_denies_the_question_the_other_option_is_none_of_these() -> None:
    assert to_yes_and_no("Is it good?", Option("y"), Option("n"))[1].texts == ("none of these",)


def test_without_a_question_an_option_without_a_description_negates_the_other_one() -> None:
    assert to_yes_and_no("", Option("y", ("spam",)), Option("n"))[1].texts == ("not spam",)
    assert to_yes_and_no(" ", Option("y"), Option("n", ("spam",)))[0].texts == ("not spam",)


def test_beside_an_example_image_the_other_option_is_anything_else() -> None:
    yes, no = to_yes_and_no("", Option("y", images=("data:1",)), Option("n"))

    assert (yes.texts, yes.images, no.texts) == ((), ("data:1",), ("none of these",))
