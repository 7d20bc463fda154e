"""Words, example images and negations are combined into the score of a label."""

import pytest

from pigeonhole.inference.classifier import Options
from pigeonhole.inference.labels.label_class import LabelClass
from support.fake_model import chosen_names, colour_pixels, fake_classifier, text_labels


def test_a_label_and_its_negation_exclude_each_other() -> None:
    labels = text_labels("red", "not red")
    result = fake_classifier().classify_images([colour_pixels("red"), colour_pixels("blue")], labels, Options())
    assert chosen_names(result, labels) == [["red"], ["not red"]]


def test_a_negation_works_for_texts_and_without_its_positive_label() -> None:
    labels = text_labels("no cat", "cat food")
    result = fake_classifier().classify_texts(["a dog barks at night", "cat food"], labels, Options())
    assert chosen_names(result, labels) == [["no cat"], ["cat food"]]


def test_a_negation_depends_on_the_example_images_of_its_positive_label() -> None:
    """A blue image shows the class "red" here, so a blue sample isn't "not red"."""
    labels = [LabelClass("red", ("red",), ("blue.png",)), *text_labels("not red")]
    examples = {"blue.png": colour_pixels("blue")}
    with_texts_only = fake_classifier().classify_images([colour_pixels("blue")], text_labels("red", "not red"), Options())
    with_examples = fake_classifier().classify_images([colour_pixels("blue")], labels, Options(), examples)
    red = [
        next(label.probability for label in result.ranked[0] if label.index == 0) for result in (with_texts_only, with_examples)
    ]
    assert red[0] < 0.01
    assert red[1] > 10 * red[0]


@pytest.mark.parametrize("none", ["other", "none of these", "Something else"])
def test_none_of_these_is_chosen_if_no_label_is_likelier_than_the_background(none: str) -> None:
    labels = text_labels("red", "green", none)
    result = fake_classifier().classify_images([colour_pixels("red"), colour_pixels("blue")], labels, Options())
    assert chosen_names(result, labels) == [["red"], [none]]


def test_none_of_these_excludes_the_other_labels() -> None:
    labels = text_labels("red", "other")
    result = fake_classifier().classify_images(
        [colour_pixels("red"), colour_pixels("blue")], labels, Options(multiple_labels=True, threshold=0.5)
    )
    assert chosen_names(result, labels) == [["red"], ["other"]]


def test_a_true_negation_is_likelier_than_none_of_these() -> None:
    """Both have log-odds near 0, but "other" also says that "not red" is wrong."""
    for labels in (text_labels("green", "not red", "other"), text_labels("red", "not red", "other")):
        result = fake_classifier().classify_images([colour_pixels("blue")], labels, Options())
        assert chosen_names(result, labels) == [["not red"]]


def test_a_label_with_two_negations_needs_both_to_hold() -> None:
    labels = [*text_labels("yellow"), LabelClass("neither", ("not red", "not green"), ())]
    result = fake_classifier().classify_images(
        [colour_pixels("red"), colour_pixels("blue")], labels, Options(multiple_labels=True, threshold=0.0)
    )
    wrong, right = (next(label.probability for label in row if label.index == 1) for row in result.ranked)
    assert wrong < 0.1 < 0.9 < right


def test_a_negation_finds_a_positive_label_that_has_example_images_only() -> None:
    labels = [LabelClass("red", (), ("red.png",)), *text_labels("not red")]
    result = fake_classifier().classify_images(
        [colour_pixels("red"), colour_pixels("blue")], labels, Options(), {"red.png": colour_pixels("red")}
    )
    assert chosen_names(result, labels) == [["red"], ["not red"]]


def test_a_label_and_its_negation_leave_room_for_a_third_label() -> None:
    """For texts, "not interested" is a text about interest. It isn't a catch-all for all that isn't "interested"."""
    labels = text_labels("interested", "not interested", "away until monday")
    texts = ["i am away until next monday please write again then", "we are interested", "we are not interested"]
    result = fake_classifier().classify_texts(texts, labels, Options())
    assert chosen_names(result, labels)[0] == ["away until monday"]
    order = [[label.index for label in row if label.index < 2] for row in result.ranked]
    pair = fake_classifier().classify_texts(texts, labels[:2], Options())
    assert order == [[label.index for label in row] for row in pair.ranked], "the third label doesn't change the pair"


def test_two_labels_of_one_thing_are_both_negated() -> None:
    """Whichever stands first, "not red" is as wrong as the likelier of them is right."""
    examples = {"blue.png": colour_pixels("blue")}
    labels = [LabelClass("red", ("red",), ()), LabelClass("Red", ("Red",), ("blue.png",)), *text_labels("not red")]
    options = Options(multiple_labels=True)
    for pixels in (colour_pixels("blue"), colour_pixels("red")):
        one, other = (
            fake_classifier().classify_images([pixels], order, options, examples)
            for order in (labels, labels[1::-1] + labels[2:])
        )
        negation = [next(label.probability for label in row if label.index == 2) for row in (one.ranked[0], other.ranked[0])]
        assert negation[0] == pytest.approx(negation[1])
