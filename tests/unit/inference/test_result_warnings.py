"""Cut texts, and scores that depend on a missing calibration, have warnings."""

from dataclasses import replace

import pytest

from pigeonhole.inference.classifier import Classifier, Options
from pigeonhole.inference.labels.label_class import LabelClass
from pigeonhole.inference.scoring.calibration import PAIRS, prior_calibration
from support.fake_encoder import FakeEncoder
from support.fake_model import RecordingEncoder, colour_pixels, fake_background, fake_classifier, text_labels


def test_a_cut_sample_or_prompt_has_a_warning() -> None:
    sentence = FakeEncoder(max_text_tokens=3)
    result = fake_classifier(None, sentence).classify_texts(["one two three four", "one"], text_labels("a", "b"), Options())
    assert result.warnings == [
        "dataset.0.value: the model reads 3 tokens, the rest of 4 was cut",
        "labels: the prompt of 'a': the model reads 3 tokens, the rest of 5 was cut",
        "labels: the prompt of 'b': the model reads 3 tokens, the rest of 5 was cut",
    ]


def test_a_prompt_cut_by_its_instruction_or_template_has_a_warning() -> None:
    sentence = FakeEncoder(max_text_tokens=10)
    for options in (Options(instruction="w " * 20), Options(templates=("w " * 20 + "{}",))):
        warnings = fake_classifier(None, sentence).classify_texts(["one"], text_labels("a", "b"), options).warnings
        assert [warning.partition(": the model")[0] for warning in warnings[:2]] == [
            "labels: the prompt of 'a'",
            "labels: the prompt of 'b'",
        ]
        assert "the model reads 10 tokens" in warnings[0]


def test_a_text_that_is_read_in_windows_has_no_warning_and_all_its_tokens_count() -> None:
    sentence = FakeEncoder(max_text_tokens=3, long_texts="windows")
    labels = text_labels("a", "five words are too many")

    result = fake_classifier(None, sentence).classify_texts(["one two three four"], labels, Options())

    assert result.warnings == []
    assert result.input_tokens - result.label_tokens == 4


def test_each_encoder_counts_tokens_itself() -> None:
    encoder, sentence = FakeEncoder(max_text_tokens=3), FakeEncoder(model_id="sentence", max_text_tokens=50)
    labels = [*text_labels("red"), LabelClass("sea", (), ("blue.png",))]
    result = fake_classifier(encoder, sentence).classify_texts(
        ["one two three four"], labels, Options(), {"blue.png": colour_pixels("blue")}
    )
    assert result.warnings[:-1] == ["dataset.0.value: the model reads 3 tokens, the rest of 4 was cut"]
    assert "lean on a general prior" in result.warnings[-1]


@pytest.mark.parametrize(
    ("labels", "multiple", "why"),
    [
        (text_labels("red", "green"), False, None),
        (text_labels("red", "green"), True, "multiple_labels"),
        (text_labels("red", "not red"), False, "what something is not"),
        (text_labels("red", "other"), False, "none of the others"),
        ([*text_labels("red"), LabelClass("sea", (), ("blue.png",))], False, "by words and by images"),
    ],
)
def test_scores_that_depend_on_the_prior_have_a_warning(labels: list[LabelClass], multiple: bool, why: str | None) -> None:
    examples = {"blue.png": colour_pixels("blue")}
    result = fake_classifier().classify_images([colour_pixels("red")], labels, Options(multiple_labels=multiple), examples)
    assert len(result.warnings) == (why is not None)
    assert why is None or (why in result.warnings[0] and "fake isn't calibrated" in result.warnings[0])


def test_a_calibrated_model_has_no_warning() -> None:
    calibrated = replace(prior_calibration(FakeEncoder().info), measured=frozenset(PAIRS))
    classifier = Classifier(encoder=FakeEncoder(), sentence=FakeEncoder(), calibration=calibrated, background=fake_background())
    result = classifier.classify_images([colour_pixels("red")], text_labels("red", "other"), Options(multiple_labels=True))
    assert result.warnings == []


def test_a_text_and_a_label_without_a_known_word_have_a_warning() -> None:
    labels = text_labels("good", "ดี")
    result = fake_classifier().classify_texts(["นี่คือ", "fine"], labels, Options(), first_index=5)
    assert [warning.partition(" the model knows no word of ")[0] for warning in result.warnings] == [
        "dataset.5.value:",
        "labels:",
    ]
    assert "'ดี'" in result.warnings[1]


def test_a_text_that_one_of_the_encoders_reads_has_no_warning() -> None:
    class Reader(RecordingEncoder):
        def __post_init__(self) -> None:
            super().__post_init__()
            self.knows_words = lambda texts: [True for _ in texts]

    labels = [*text_labels("red"), LabelClass("sea", (), ("blue.png",))]
    result = fake_classifier(Reader()).classify_texts(["นี่คือ"], labels, Options(), {"blue.png": colour_pixels("blue")})
    assert not any("knows no word" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    "labels",
    [
        text_labels("Cat", "cat ", "dog"),
        [LabelClass("A", ("cat",), ()), LabelClass("B", ("cat",), ()), *text_labels("dog")],
    ],
)
def test_labels_with_the_same_description_have_one_warning(labels: list[LabelClass]) -> None:
    warnings = fake_classifier().classify_texts(["a cat", "a dog"], labels, Options()).warnings
    assert len(warnings) == 1
    assert warnings[0].startswith(f"labels: {labels[0].name!r} and {labels[1].name!r} have the same description")


def test_different_labels_with_equal_scores_have_a_warning() -> None:
    """The fake ignores punctuation, and two catch-alls mean the same."""
    labels = text_labels("cat", "cat,", "other", "none of these")
    warnings = fake_classifier().classify_texts(["a cat", "a dog"], labels, Options()).warnings
    assert [warning.partition(", because")[0] for warning in warnings] == [
        "labels: 'cat' and 'cat,' have equal scores",
        "labels: 'other' and 'none of these' have equal scores",
    ]


def test_different_scores_have_no_warning() -> None:
    assert fake_classifier().classify_texts(["a cat"], text_labels("cat", "dog", "other"), Options()).warnings == []
