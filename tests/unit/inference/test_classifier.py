"""The classifier: which encoder meets which pair, what is encoded how often, and answers that stand alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from threading import Barrier

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pigeonhole.inference.classifier import Classifier, ClassifierResult, Options
from pigeonhole.inference.encoders.fake_encoder import COLOURS, FakeEncoder
from pigeonhole.inference.labels.label_class import LabelClass
from pigeonhole.inference.prompt_cache import PromptCache
from pigeonhole.inference.scoring.calibration import PAIRS, prior_calibration
from support.fake_model import Counting, fake_background


def words(*names: str) -> list[LabelClass]:
    return [LabelClass(name, (name,), ()) for name in names]


def picture(colour: str) -> np.ndarray:
    return FakeEncoder().fit(Image.new("RGB", (20, 30), COLOURS[colour]))


def make(encoder: object = None, sentence: object = None, **options: int) -> Classifier:
    encoder, sentence = encoder or FakeEncoder(), sentence or FakeEncoder(model_id="sentence")
    return Classifier(
        encoder=encoder,  # type: ignore[arg-type]
        sentence=sentence,  # type: ignore[arg-type]
        calibration=prior_calibration(encoder.info),  # type: ignore[attr-defined]
        background=fake_background(),
        **options,
    )


def best(outcome: ClassifierResult, labels: Sequence[LabelClass]) -> list[list[str]]:
    return [[labels[choice.index].name for choice in row] for row in outcome.chosen]


def test_texts_find_their_label() -> None:
    labels = words("cat", "stock market")
    outcome = make().classify_texts(["my cat sleeps", "the stock market fell"], labels, Options())
    assert best(outcome, labels) == [["cat"], ["stock market"]]


def test_pictures_find_their_word_and_their_like() -> None:
    labels = [*words("red", "green"), LabelClass("sea", (), ("blue.png",))]
    outcome = make().classify_images([picture("red"), picture("blue")], labels, Options(), {"blue.png": picture("blue")})
    assert best(outcome, labels) == [["red"], ["sea"]]


def test_a_text_meets_text_labels_in_the_sentence_encoder_and_image_labels_in_the_other() -> None:
    encoder, sentence = Counting(), Counting(FakeEncoder(model_id="sentence"))
    labels = [*words("red"), LabelClass("sea", (), ("blue.png",))]
    make(encoder, sentence).classify_texts(["a red car"], labels, Options(), {"blue.png": picture("blue")})
    assert sentence.texts == ["a red car", "red", "This text is about red.", "The topic is red."]
    assert encoder.texts == ["a red car"]
    assert encoder.pictures == 1


def test_a_label_is_encoded_once_per_request_and_not_at_all_in_the_next() -> None:
    encoder = Counting()
    classifier = make(encoder)
    labels = [LabelClass("one", ("red", "green"), ()), LabelClass("two", ("red",), ("a",)), LabelClass("three", (), ("a",))]
    for _ in range(2):
        classifier.classify_images([picture("red")] * 3, labels, Options(), {"a": picture("blue")})
    assert sorted(encoder.texts) == ["a photo of green", "a photo of red", "green", "red"]
    assert encoder.pictures == 2 * (3 + 1)


def test_the_prompt_cache_forgets_the_least_recently_used() -> None:
    cache, encoder = PromptCache(size=2), Counting()
    for text in ("a", "b", "a", "c", "a", "b"):
        cache.embed("revision", encoder.encode_text, [text])
    assert encoder.texts == ["a", "b", "c", "b"]


def test_a_request_with_more_labels_than_the_cache_holds_is_answered() -> None:
    labels = words("red", "green", "blue", "white")
    outcome = make(cache_size=1).classify_images([picture("blue")], labels, Options())
    assert best(outcome, labels) == [["blue"]]


def test_multiple_labels_come_best_first_and_never_empty() -> None:
    labels = words("cat", "sleeps", "volcano")
    classifier = make()
    options = Options(multiple_labels=True, threshold=0.5)
    assert set(best(classifier.classify_texts(["cat sleeps"], labels, options), labels)[0]) == {"cat", "sleeps"}
    alone = classifier.classify_texts(["nothing of that"], labels, Options(multiple_labels=True, threshold=1.0))
    assert len(alone.chosen[0]) == 1


def test_texts_and_photos_have_a_threshold_of_their_own() -> None:
    """A probability of several labels at once means another thing for each: their weights were fitted apart."""
    labels = words("red", "green")
    for lenient, counts in (("text", (2, 1)), ("image", (1, 2))):
        classifier = make()
        thresholds = {"text": 1.0, "image": 1.0, lenient: 0.0}
        classifier.calibration = replace(classifier.calibration, thresholds=thresholds)
        options = Options(multiple_labels=True)
        of_texts = classifier.classify_texts(["red"], labels, options)
        of_photos = classifier.classify_images([picture("red")], labels, options)
        assert (len(of_texts.chosen[0]), len(of_photos.chosen[0])) == counts


def test_own_templates_and_an_instruction_change_the_prompts() -> None:
    sentence = Counting()
    make(None, sentence).classify_texts(["x"], words("a", "b"), Options(templates=("say {}",), instruction="letters"))
    assert sentence.texts == ["x", "say a", "say a (letters)", "say b", "say b (letters)"]


def test_what_the_model_does_not_read_is_warned_of() -> None:
    sentence = FakeEncoder(max_text_tokens=3)
    outcome = make(None, sentence).classify_texts(["one two three four", "one"], words("a", "b"), Options())
    assert outcome.warnings == [
        "dataset.0.value: the model reads 3 tokens, the rest of 4 was cut",
        "labels: the prompt of 'a': the model reads 3 tokens, the rest of 5 was cut",
        "labels: the prompt of 'b': the model reads 3 tokens, the rest of 5 was cut",
    ]


def test_a_long_instruction_or_template_is_warned_of() -> None:
    sentence = FakeEncoder(max_text_tokens=10)
    for options in (Options(instruction="w " * 20), Options(templates=("w " * 20 + "{}",))):
        warnings = make(None, sentence).classify_texts(["one"], words("a", "b"), options).warnings
        assert [warning.partition(": the model")[0] for warning in warnings] == [
            "labels: the prompt of 'a'",
            "labels: the prompt of 'b'",
        ]
        assert "the model reads 10 tokens" in warnings[0]


def test_each_encoder_warns_by_its_own_count() -> None:
    encoder, sentence = FakeEncoder(max_text_tokens=3), FakeEncoder(model_id="sentence", max_text_tokens=50)
    labels = [*words("red"), LabelClass("sea", (), ("blue.png",))]
    outcome = make(encoder, sentence).classify_texts(["one two three four"], labels, Options(), {"blue.png": picture("blue")})
    assert outcome.warnings[:-1] == ["dataset.0.value: the model reads 3 tokens, the rest of 4 was cut"]
    assert "lean on a general prior" in outcome.warnings[-1]


def test_tokens_count_what_was_submitted_even_if_cached() -> None:
    classifier = make()
    labels = [*words("red", "dark green"), LabelClass("sea", (), ("b",))]
    for _ in range(2):
        outcome = classifier.classify_images(
            [picture("red")] * 2, labels, Options(instruction="of cars"), {"b": picture("blue")}
        )
        assert outcome.input_tokens == 2 + 1 + 3 + 2  # pictures, a label's picture, label words, instruction
        assert outcome.output_tokens == 2


@dataclass
class Meeting(Counting):
    """An encoder whose every call waits for another to run beside it."""

    barrier: Barrier = field(default_factory=lambda: Barrier(2, timeout=20))
    sizes: list[int] = field(default_factory=list)

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        self.barrier.wait()
        return super().encode_text(texts)

    def encode_image(self, pixels: np.ndarray) -> np.ndarray:
        self.barrier.wait()
        self.sizes.append(len(pixels))
        return super().encode_image(pixels)


def test_two_workers_encode_photos_and_prompts_side_by_side_in_batches_alike_in_size() -> None:
    encoder, colours = Meeting(), ["red", "green", "blue", "white", "black", "red", "blue", "green", "red", "white"]
    labels = words("red", "green", "blue", "white", "black")
    outcome = make(encoder, batch=4, workers=2).classify_images([picture(colour) for colour in colours], labels, Options())
    assert best(outcome, labels) == [[colour] for colour in colours]
    assert sorted(encoder.sizes) == [2, 2, 3, 3]
    assert len(encoder.texts) == len(set(encoder.texts)) == 2 * len(labels)


class Broken(Counting):
    """An encoder that can't take blue."""

    def encode_image(self, pixels: np.ndarray) -> np.ndarray:
        if (pixels[0] == picture("blue")).all():
            raise RuntimeError("no blue")
        return super().encode_image(pixels)


def test_an_error_of_one_worker_is_the_calls_own() -> None:
    with pytest.raises(RuntimeError, match="no blue"):
        make(Broken(), workers=2).classify_images([picture("red"), picture("blue")], words("a", "b"), Options())


def test_no_samples_no_answers() -> None:
    outcome = make().classify_images([], words("a", "b"), Options())
    assert outcome.chosen == []


def test_a_label_meets_its_negation() -> None:
    labels = words("red", "not red")
    outcome = make().classify_images([picture("red"), picture("blue")], labels, Options())
    assert best(outcome, labels) == [["red"], ["not red"]]


def test_a_negation_works_without_its_positive_and_for_texts() -> None:
    labels = words("no cat", "cat food")
    outcome = make().classify_texts(["a dog barks at night", "cat food"], labels, Options())
    assert best(outcome, labels) == [["no cat"], ["cat food"]]


def test_a_negation_takes_the_example_images_of_its_positive_into_account() -> None:
    """The class "red" is shown to be blue, too, so a blue picture isn't "not red"."""
    labels = [LabelClass("red", ("red",), ("blue.png",)), *words("not red")]
    pictures = {"blue.png": picture("blue")}
    with_words_alone = make().classify_images([picture("blue")], words("red", "not red"), Options())
    with_examples = make().classify_images([picture("blue")], labels, Options(), pictures)
    red = [
        next(each.probability for each in outcome.ranked[0] if each.index == 0) for outcome in (with_words_alone, with_examples)
    ]
    assert red[0] < 0.01
    assert red[1] > 10 * red[0]


@pytest.mark.parametrize("none", ["other", "none of these", "Something else"])
def test_none_of_these_is_chosen_where_no_label_beats_the_background(none: str) -> None:
    labels = words("red", "green", none)
    outcome = make().classify_images([picture("red"), picture("blue")], labels, Options())
    assert best(outcome, labels) == [["red"], [none]]


def test_with_several_labels_none_of_these_stands_alone() -> None:
    labels = words("red", "other")
    outcome = make().classify_images([picture("red"), picture("blue")], labels, Options(multiple_labels=True, threshold=0.5))
    assert best(outcome, labels) == [["red"], ["other"]]


def test_literal_labels_are_what_they_say() -> None:
    labels = words("red", "not red")
    plain, literal = (make().classify_images([picture("red")], labels, Options(literal=it)) for it in (False, True))
    assert [ranked.similarity > 0 for ranked in plain.ranked[0]] == [True, False]
    assert [ranked.similarity > 0 for ranked in literal.ranked[0]] == [True, True]


@pytest.mark.parametrize(
    ("labels", "multiple", "why"),
    [
        (words("red", "green"), False, None),
        (words("red", "green"), True, "multiple_labels"),
        (words("red", "not red"), False, "what something is not"),
        (words("red", "other"), False, "none of the others"),
        ([*words("red"), LabelClass("sea", (), ("blue.png",))], False, "by words and by images"),
    ],
)
def test_an_answer_that_leans_on_the_prior_says_so(labels: list[LabelClass], multiple: bool, why: str | None) -> None:
    pictures = {"blue.png": picture("blue")}
    outcome = make().classify_images([picture("red")], labels, Options(multiple_labels=multiple), pictures)
    assert len(outcome.warnings) == (why is not None)
    assert why is None or (why in outcome.warnings[0] and "fake isn't calibrated" in outcome.warnings[0])


def test_a_calibrated_model_leans_on_nothing() -> None:
    calibrated = replace(prior_calibration(FakeEncoder().info), measured=frozenset(PAIRS))
    classifier = Classifier(encoder=FakeEncoder(), sentence=FakeEncoder(), calibration=calibrated, background=fake_background())
    assert classifier.classify_images([picture("red")], words("red", "other"), Options(multiple_labels=True)).warnings == []


VOCABULARY = ["red", "not red", "no sea", "other", "green", "blue", "dark red", "light blue", "sea", "grass", "rose"]
PICTURES = {colour: picture(colour) for colour in COLOURS}


@st.composite
def some_labels(draw: st.DrawFn) -> list[LabelClass]:
    """Classes by words, by example images, and by both."""
    names = draw(st.lists(st.sampled_from(VOCABULARY), min_size=2, max_size=6, unique=True))
    examples = st.lists(st.sampled_from(sorted(COLOURS)), min_size=1, max_size=2, unique=True).map(tuple)
    sides = [draw(st.sampled_from([(True, False), (False, True), (True, True)])) for _ in names]
    return [
        LabelClass(name, (name,) if by_words else (), draw(examples) if by_pictures else ())
        for name, (by_words, by_pictures) in zip(names, sides, strict=True)
    ]


@pytest.mark.parametrize("kind", ["texts", "pictures"])
@pytest.mark.parametrize("multiple", [False, True])
@settings(deadline=None)  # speed is measured elsewhere, and a busy machine is no fault
@given(data=st.data())
def test_an_answer_is_the_same_alone_and_in_any_batch_and_whatever_the_labels_order(
    multiple: bool, kind: str, data: st.DataObject
) -> None:
    classifier = make(batch=data.draw(st.integers(1, 4)), workers=data.draw(st.integers(1, 3)))
    labels, options = data.draw(some_labels()), Options(multiple_labels=multiple)
    vocabulary = [*VOCABULARY, "red sea", "blue rose grass"] if kind == "texts" else sorted(COLOURS)
    samples = data.draw(st.lists(st.sampled_from(vocabulary), min_size=1, max_size=9))

    def probabilities(samples: list[str], labels: list[LabelClass]) -> list[dict[str, float]]:
        if kind == "texts":
            outcome = classifier.classify_texts(samples, labels, options, PICTURES)
        else:
            outcome = classifier.classify_images([PICTURES[colour] for colour in samples], labels, options, PICTURES)
        return [{labels[label.index].name: label.probability for label in row} for row in outcome.ranked]

    for sample, expected in zip(samples, probabilities(samples, labels), strict=True):
        assert probabilities([sample], labels[::-1]) == [pytest.approx(expected, abs=1e-5)]
        if not multiple:
            assert sum(expected.values()) == pytest.approx(1, abs=1e-5)


def test_a_negation_beats_none_of_these_where_it_holds() -> None:
    """Both are near the background, but "other" says that "not red" is wrong, too."""
    for labels in (words("green", "not red", "other"), words("red", "not red", "other")):
        outcome = make().classify_images([picture("blue")], labels, Options())
        assert best(outcome, labels) == [["not red"]]


def test_all_that_a_label_says_it_is_not_has_to_hold() -> None:
    labels = [*words("yellow"), LabelClass("neither", ("not red", "not green"), ())]
    outcome = make().classify_images([picture("red"), picture("blue")], labels, Options(multiple_labels=True, threshold=0.0))
    wrong, right = (next(each.probability for each in row if each.index == 1) for row in outcome.ranked)
    assert wrong < 0.1 < 0.9 < right


def test_a_negation_finds_its_class_by_name_and_by_example_images_alone() -> None:
    labels = [LabelClass("red", (), ("red.png",)), *words("not red")]
    outcome = make().classify_images([picture("red"), picture("blue")], labels, Options(), {"red.png": picture("red")})
    assert best(outcome, labels) == [["red"], ["not red"]]
