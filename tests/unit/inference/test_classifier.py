"""The classifier chooses the encoder of each pair, counts tokens, and scores each sample on its own."""

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pigeonhole.inference.classifier import Classifier, Options
from pigeonhole.inference.labels.label_class import LabelClass
from support.fake_encoder import COLOURS, FakeEncoder
from support.fake_model import RecordingEncoder, chosen_names, colour_pixels, fake_classifier, text_labels


def test_texts_find_their_label() -> None:
    labels = text_labels("cat", "stock market")
    result = fake_classifier().classify_texts(["my cat sleeps", "the stock market fell"], labels, Options())
    assert chosen_names(result, labels) == [["cat"], ["stock market"]]


def test_images_find_their_word_and_their_example_image() -> None:
    labels = [*text_labels("red", "green"), LabelClass("sea", (), ("blue.png",))]
    result = fake_classifier().classify_images(
        [colour_pixels("red"), colour_pixels("blue")], labels, Options(), {"blue.png": colour_pixels("blue")}
    )
    assert chosen_names(result, labels) == [["red"], ["sea"]]


def test_the_sentence_encoder_compares_texts_with_texts_and_the_other_compares_texts_with_images() -> None:
    encoder, sentence = RecordingEncoder(), RecordingEncoder(FakeEncoder(model_id="sentence"))
    labels = [*text_labels("red"), LabelClass("sea", (), ("blue.png",))]
    fake_classifier(encoder, sentence).classify_texts(["a red car"], labels, Options(), {"blue.png": colour_pixels("blue")})
    assert sentence.texts == ["a red car", "red", "This text is about red.", "The topic is red."]
    assert encoder.texts == ["a red car"]
    assert encoder.images == 1


def test_a_request_with_more_labels_than_the_cache_holds_is_answered() -> None:
    labels = text_labels("red", "green", "blue", "white")
    result = fake_classifier(cache_size=1).classify_images([colour_pixels("blue")], labels, Options())
    assert chosen_names(result, labels) == [["blue"]]


def test_several_labels_are_ranked_and_never_empty() -> None:
    labels = text_labels("cat", "sleeps", "volcano")
    classifier = fake_classifier()
    options = Options(multiple_labels=True, threshold=0.5)
    assert set(chosen_names(classifier.classify_texts(["cat sleeps"], labels, options), labels)[0]) == {"cat", "sleeps"}
    alone = classifier.classify_texts(["nothing of that"], labels, Options(multiple_labels=True, threshold=1.0))
    assert len(alone.chosen[0]) == 1


def test_one_right_label_needs_no_threshold_unless_the_caller_sets_one() -> None:
    labels = text_labels("cat", "volcano")
    classifier = fake_classifier()
    classifier.calibration = replace(classifier.calibration, thresholds={"text": 1.0, "image": 1.0})
    assert chosen_names(classifier.classify_texts(["a cat"], labels, Options()), labels) == [["cat"]]
    strict = classifier.classify_texts(["a cat"], labels, Options(threshold=1.0))
    assert chosen_names(strict, labels) == [[]]
    assert [label.index for label in strict.ranked[0]] == [0, 1]


def test_texts_and_images_have_separate_thresholds() -> None:
    """The probabilities of texts and of images come from separate coefficients."""
    labels = text_labels("red", "green")
    for lenient, counts in (("text", (2, 1)), ("image", (1, 2))):
        classifier = fake_classifier()
        thresholds = {"text": 1.0, "image": 1.0, lenient: 0.0}
        classifier.calibration = replace(classifier.calibration, thresholds=thresholds)
        options = Options(multiple_labels=True)
        of_texts = classifier.classify_texts(["red"], labels, options)
        of_photos = classifier.classify_images([colour_pixels("red")], labels, options)
        assert (len(of_texts.chosen[0]), len(of_photos.chosen[0])) == counts


def test_the_callers_templates_and_instruction_change_the_prompts() -> None:
    sentence = RecordingEncoder()
    fake_classifier(None, sentence).classify_texts(
        ["x"], text_labels("a", "b"), Options(templates=("say {}",), instruction="letters")
    )
    assert sentence.texts == ["x", "say a", "say a (letters)", "say b", "say b (letters)"]


def test_tokens_count_everything_that_was_submitted_even_if_cached() -> None:
    classifier = fake_classifier()
    labels = [*text_labels("red", "dark green"), LabelClass("sea", (), ("b",))]
    for _ in range(2):
        result = classifier.classify_images(
            [colour_pixels("red")] * 2, labels, Options(instruction="of cars"), {"b": colour_pixels("blue")}
        )
        assert result.input_tokens == 2 + 1 + 3 + 2  # images, the label's image, the words of labels, the instruction
        assert result.output_tokens == 2


def test_a_call_without_samples_returns_no_predictions() -> None:
    result = fake_classifier().classify_images([], text_labels("a", "b"), Options())
    assert result.chosen == []


def test_literal_labels_are_plain_things() -> None:
    labels = text_labels("red", "not red")
    plain, literal = (
        fake_classifier().classify_images([colour_pixels("red")], labels, Options(literal=is_literal))
        for is_literal in (False, True)
    )
    assert [label.similarity > 0 for label in plain.ranked[0]] == [True, False]
    assert [label.similarity > 0 for label in literal.ranked[0]] == [True, True]


THINGS = [
    "red",
    "green",
    "blue",
    "dark red",
    "light blue",
    "sea",
    "grass",
    "rose",
    "Red",
    "a photo of the sea",
    "🐶",
    "no-rose look",
]
DENIALS = ["not red", "no sea", "non-red", "not 🐶", "kein rose", "without grass"]
CATCH_ALLS = ["other", "none of these", "otro", "no finding"]
VOCABULARY = [*THINGS, *DENIALS, *CATCH_ALLS]
COLOUR_PIXELS = {colour: colour_pixels(colour) for colour in COLOURS}


@st.composite
def some_labels(draw: st.DrawFn) -> list[LabelClass]:
    """Draw classes that have texts, example images, or both."""
    names = draw(st.lists(st.sampled_from(VOCABULARY), min_size=2, max_size=6, unique=True))
    examples = st.lists(st.sampled_from(sorted(COLOURS)), min_size=1, max_size=2, unique=True).map(tuple)
    kinds = [draw(st.sampled_from([(True, False), (False, True), (True, True)])) for _ in names]
    return [
        LabelClass(name, (name,) if has_texts else (), draw(examples) if has_images else ())
        for name, (has_texts, has_images) in zip(names, kinds, strict=True)
    ]


Scores = list[dict[str, float]]


def score(classifier: Classifier, kind: str, samples: list[str], labels: list[LabelClass], *, multiple: bool) -> Scores:
    """Return the probabilities of all labels, by name, for each sample: a text, or the colour of an image."""
    options = Options(multiple_labels=multiple)
    if kind == "texts":
        result = classifier.classify_texts(samples, labels, options, COLOUR_PIXELS)
    else:
        result = classifier.classify_images([COLOUR_PIXELS[colour] for colour in samples], labels, options, COLOUR_PIXELS)
    return [{labels[label.index].name: label.probability for label in row} for row in result.ranked]


def some_samples(kind: str) -> st.SearchStrategy[list[str]]:
    vocabulary = [*VOCABULARY, "red sea", "blue rose grass"] if kind == "texts" else sorted(COLOURS)
    return st.lists(st.sampled_from(vocabulary), min_size=1, max_size=9)


KINDS = pytest.mark.parametrize("kind", ["texts", "images"])
MULTIPLE = pytest.mark.parametrize("multiple", [False, True])


@pytest.mark.slow
@KINDS
@MULTIPLE
@settings(deadline=None)  # other tests measure speed, and the machine may be busy
@given(data=st.data())
def test_a_samples_scores_depend_neither_on_its_batch_nor_on_the_order_of_labels(
    multiple: bool, kind: str, data: st.DataObject
) -> None:
    classifier = fake_classifier(batch=data.draw(st.integers(1, 4)), workers=data.draw(st.integers(1, 3)))
    labels, samples = data.draw(some_labels()), data.draw(some_samples(kind))
    permuted = data.draw(st.permutations(labels))
    for sample, expected in zip(samples, score(classifier, kind, samples, labels, multiple=multiple), strict=True):
        assert score(classifier, kind, [sample], permuted, multiple=multiple) == [pytest.approx(expected, abs=1e-5)]
        if not multiple:
            assert sum(expected.values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.slow
@KINDS
@MULTIPLE
@settings(deadline=None)
@given(data=st.data())
def test_an_unrelated_label_never_changes_the_order_of_the_others(multiple: bool, kind: str, data: st.DataObject) -> None:
    classifier, labels, samples = fake_classifier(), data.draw(some_labels()), data.draw(some_samples(kind))
    unrelated = data.draw(st.sampled_from(["volcano", "tax return", "a photo of a bridge", "🚗"]))
    place = data.draw(st.integers(0, len(labels)))
    before = score(classifier, kind, samples, labels, multiple=multiple)
    after = score(classifier, kind, samples, [*labels[:place], *text_labels(unrelated), *labels[place:]], multiple=multiple)
    for old, new in zip(before, after, strict=True):
        if multiple and new[unrelated] >= 0.5:
            continue  # the label is right, so "none of these" is wrong
        for first, second in combinations(old, 2):
            assert (old[first] - old[second]) * (new[first] - new[second]) >= -1e-6, (first, second)
