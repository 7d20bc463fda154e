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
    ("label", "other", "description"),
    [
        ("against nuclear power", "for nuclear power", "I oppose nuclear power."),
        ("Opposed to nuclear power", "in favor of nuclear power", "I oppose nuclear power."),
        ("anti-vaccination", "pro-vaccination", "I oppose vaccination."),
        ("in favour of nuclear power", "no stance on Nuclear Power", "I support nuclear power."),
        ("for the EU", "against the EU", "I support the EU."),
        ("supports a {ban}", "opposes a {ban}", "I support a {ban}."),
        ("no stance on nuclear power", "against nuclear power", "I have no opinion on nuclear power."),
        ("neutral towards the EU", "supportive of the EU", "I have no opinion on the EU."),
    ],
)
def test_a_stance_beside_another_one_is_described_for_its_topic(label: str, other: str, description: str) -> None:
    assert description in find_descriptions(label, [label, other])


@pytest.mark.parametrize(
    ("label", "other"),
    [
        ("for sale", "for rent"),
        ("against the rules", "within the rules"),
        ("anti-virus", "firewall"),
        ("against vaccination", "in favour of nuclear power"),
        ("against", "in favour of"),
        ("antique", "proque"),
        ("formal", "antimal"),
    ],
)
def test_a_label_without_another_stance_towards_its_topic_is_none(label: str, other: str) -> None:
    assert find_descriptions(label, [label, other]) == ()


@pytest.mark.parametrize("label", ["neither positive nor negative", "Neither unfavourable nor favourable"])
def test_neither_of_two_opposites_is_neutral(label: str) -> None:
    assert find_descriptions(label) == find_descriptions("neutral")


def test_neither_of_two_things_is_not() -> None:
    assert find_descriptions("neither cat nor dog") == ()


@pytest.mark.parametrize(
    ("negated", "opposite"), [("positive", "negative"), ("Negative", "positive"), ("satisfied", "dissatisfied")]
)
def test_the_negation_of_one_opposite_is_the_other(negated: str, opposite: str) -> None:
    assert resolve_opposites(Meaning((), negated=(negated,), denials=(f"not {negated}",))) == Meaning((opposite,))


def test_a_label_without_an_opposite_stays_negated() -> None:
    meaning = Meaning(("urgent",), negated=("spam", "good"), denials=("not spam", "not good"))
    assert resolve_opposites(meaning) == Meaning(("urgent", "bad"), negated=("spam",), denials=("not spam",))
