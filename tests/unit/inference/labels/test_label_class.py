"""Entries of one name are one class, and the texts of a class have a meaning."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pigeonhole.contract.labels import Label, label_name
from pigeonhole.inference.labels.label_class import LabelClass, Meaning, merge_labels, parse_meanings

entries = st.builds(
    Label,
    key=st.sampled_from([None, "a", "b", 1, "1"]),
    type=st.sampled_from(["text", "image"]),
    value=st.sampled_from(["cat", "dog", "https://example.com/cat.jpg"]),
    text=st.sampled_from([None, "a tabby"]),
)


def test_entries_with_one_key_are_one_class() -> None:
    merged = merge_labels(
        [
            Label(key="pet", type="text", value="cat"),
            Label(type="text", value="car"),
            Label(key="pet", type="image", value="https://example.com/dog.jpg", text="a dog"),
        ]
    )
    assert merged == (
        LabelClass("pet", ("cat", "a dog"), ("https://example.com/dog.jpg",)),
        LabelClass("car", ("car",), ()),
    )


def test_a_number_and_its_text_name_one_class() -> None:
    assert merge_labels([Label(key=1, type="text", value="one"), Label(key="1", type="text", value="uno")]) == (
        LabelClass("1", ("one", "uno"), ()),
    )


def test_the_value_is_the_name_if_there_is_no_key() -> None:
    assert label_name(None, "cat") == "cat"
    assert label_name(0, "cat") == "0"


def test_a_text_and_an_image_of_one_value_are_two_descriptions() -> None:
    value = "https://example.com/cat.jpg"
    assert merge_labels([Label(type="text", value=value), Label(type="image", value=value)]) == (
        LabelClass(value, (value,), (value,)),
    )


@given(st.lists(entries, max_size=12))
def test_exact_duplicates_change_nothing(labels: list[Label]) -> None:
    assert merge_labels([*labels, *labels]) == merge_labels(labels)


@given(st.lists(entries, max_size=12))
def test_every_entry_is_found_in_the_class_of_its_name(labels: list[Label]) -> None:
    merged = {label.name: label for label in merge_labels(labels)}
    assert list(merged) == list(dict.fromkeys(label.name for label in labels))
    for label in labels:
        assert label.value in (merged[label.name].texts if label.type == "text" else merged[label.name].images)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (LabelClass("cat", ("cat", "a tabby"), ()), Meaning(("cat", "a tabby"))),
        (LabelClass("rest", ("not a cat", "no cat"), ()), Meaning((), ("cat",), ("no cat",))),
        (LabelClass("other", ("other",), ()), Meaning((), is_none=True)),
        (LabelClass("other", ("other",), ("a.jpg",)), Meaning(())),
        (LabelClass("other", ("other", "a dog"), ()), Meaning(("a dog",))),
        (LabelClass("a.jpg", (), ("a.jpg",)), Meaning(())),
    ],
)
def test_the_texts_of_a_class_have_a_meaning(label: LabelClass, expected: Meaning) -> None:
    assert parse_meanings([label]) == (expected,)


def test_the_other_labels_decide_what_a_doubtful_text_means() -> None:
    spam, other = LabelClass("spam", ("spam",), ()), LabelClass("rest", ("non-spam",), ())
    assert parse_meanings([spam, other])[1] == Meaning((), ("spam",), ("non-spam",))
    assert parse_meanings([LabelClass("ham", ("ham",), ()), other])[1] == Meaning(("non-spam",))


def test_the_name_of_a_class_with_example_images_only_counts_as_its_text() -> None:
    labels = [LabelClass("food", (), ("a.jpg",)), LabelClass("rest", ("non-food",), ())]
    assert parse_meanings(labels)[1].negated == ("food",)


def test_a_class_is_not_read_by_its_own_texts() -> None:
    assert parse_meanings([LabelClass("x", ("non-food", "food"), ())]) == (Meaning(("non-food", "food")),)
