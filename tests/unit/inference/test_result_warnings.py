"""Cut texts, and scores that depend on a missing calibration, have warnings."""

from dataclasses import replace

import pytest

from pigeonhole.inference.classifier import Classifier, Options
from pigeonhole.inference.labels.label_class import LabelClass
from pigeonhole.inference.scoring.calibration import PAIRS, prior_calibration
from support.fake_encoder import FakeEncoder
from support.fake_model import colour_pixels, fake_background, fake_classifier, text_labels


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
        assert [warning.partition(": the model")[0] for warning in warnings] == [
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
