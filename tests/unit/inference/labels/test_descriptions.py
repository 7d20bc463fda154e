"""Common labels for texts have descriptions, and opposites replace their negations."""

import pytest

from pigeonhole.inference.labels.descriptions import find_descriptions, resolve_opposites
from pigeonhole.inference.labels.label_class import Meaning


@pytest.mark.parametrize("label", ["positive", "Positive", "a positive", "POSITIVE."])
def test_a_label_has_its_descriptions_however_it_is_written(label: str) -> None:
    assert "I loved it" in find_descriptions(label)[0]


def test_a_label_that_is_not_listed_has_no_description() -> None:
    assert find_descriptions("cat") == ()


@pytest.mark.parametrize(
    ("negated", "opposite"), [("positive", "negative"), ("Negative", "positive"), ("satisfied", "dissatisfied")]
)
def test_the_negation_of_one_opposite_is_the_other(negated: str, opposite: str) -> None:
    assert resolve_opposites(Meaning((), negated=(negated,), denials=(f"not {negated}",))) == Meaning((opposite,))


def test_a_label_without_an_opposite_stays_negated() -> None:
    meaning = Meaning(("urgent",), negated=("spam", "good"), denials=("not spam", "not good"))
    assert resolve_opposites(meaning) == Meaning(("urgent", "bad"), negated=("spam",), denials=("not spam",))
