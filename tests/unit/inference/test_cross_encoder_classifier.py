"""A classifier whose text model is a cross-encoder reads each text with each label, once, and scores by its log-odds."""

from __future__ import annotations

import pytest

from pigeonhole.inference.classifier import Classifier, Options
from pigeonhole.inference.encoders import background_files
from pigeonhole.inference.labels.label_class import LabelClass
from pigeonhole.inference.scoring.calibration import prior_calibration
from support.fake_encoder import FakeEncoder, FakePairEncoder
from support.fake_model import chosen_names, colour_pixels, text_labels

SURE = 0.9975  # the probability of log-odds of 6


def cross_classifier(pairs: FakePairEncoder, **options: int) -> Classifier:
    encoder = FakeEncoder()
    background = background_files.embed(encoder, pairs)
    calibration = prior_calibration(encoder.info, pairs.info)
    return Classifier(encoder=encoder, sentence=pairs, calibration=calibration, background=background, **options)


@pytest.fixture
def pairs() -> FakePairEncoder:
    return FakePairEncoder()


def test_each_text_is_read_once_with_each_label(pairs: FakePairEncoder) -> None:
    texts, labels = ["a red cup", "a blue sofa", "nothing"], text_labels("cup", "sofa")

    result = cross_classifier(pairs).classify_texts(texts, labels, Options())

    hypotheses = ["This text is about cup.", "This text is about sofa."]
    assert sorted(pairs.pairs) == sorted((text, hypothesis) for text in texts for hypothesis in hypotheses)
    assert chosen_names(result, labels)[:2] == [["cup"], ["sofa"]]
    assert result.ranked[0][0].probability == pytest.approx(1, abs=1e-4)
    assert result.ranked[2][0].probability == pytest.approx(0.5)
    assert result.ranked[0][0].similarity == pytest.approx(0.3)
    assert result.warnings == []


def test_several_labels_have_the_probabilities_of_the_model(pairs: FakePairEncoder) -> None:
    labels = text_labels("cup", "sofa", "rocket")

    result = cross_classifier(pairs).classify_texts(["a cup on the sofa"], labels, Options(multiple_labels=True))

    assert chosen_names(result, labels) == [["cup", "sofa"]]
    probabilities = {label.index: label.probability for label in result.ranked[0]}
    assert probabilities == {
        0: pytest.approx(SURE, abs=1e-3),
        1: pytest.approx(SURE, abs=1e-3),
        2: pytest.approx(0.0025, abs=1e-3),
    }


@pytest.mark.parametrize("multiple", [False, True])
def test_a_negation_has_the_rest_of_the_probability_and_costs_no_run(multiple: bool, pairs: FakePairEncoder) -> None:
    labels = text_labels("spam", "not spam")

    result = cross_classifier(pairs).classify_texts(["this is spam", "hello"], labels, Options(multiple_labels=multiple))

    assert chosen_names(result, labels) == [["spam"], ["not spam"]]
    assert all(sum(label.probability for label in row) == pytest.approx(1) for row in result.ranked)
    assert len(pairs.pairs) == 2


def test_none_of_these_is_chosen_if_no_label_is_entailed(pairs: FakePairEncoder) -> None:
    labels = text_labels("cup", "sofa", "none of these")

    result = cross_classifier(pairs).classify_texts(["a cup", "hello"], labels, Options())

    assert chosen_names(result, labels) == [["cup"], ["none of these"]]
    assert len(pairs.pairs) == 4


def test_the_answers_are_the_same_in_any_batches(pairs: FakePairEncoder) -> None:
    texts, labels = [f"text {k} about a {'cup' if k % 3 else 'sofa'}" for k in range(20)], text_labels("cup", "sofa")

    together = cross_classifier(pairs, batch=3, workers=2).classify_texts(texts, labels, Options())
    alone = [cross_classifier(pairs).classify_texts([text], labels, Options()).ranked[0] for text in texts]

    assert together.ranked == alone


def test_a_text_that_is_cut_beside_the_longest_label_is_named() -> None:
    pairs = FakePairEncoder(max_text_tokens=12)
    labels = text_labels("cup", "very long words")

    result = cross_classifier(pairs).classify_texts(["a cup", "one two three four five six"], labels, Options(), first_index=40)

    # Three special tokens, and seven words of the longest hypothesis.
    assert result.warnings == ["dataset.41.value: the model reads 12 tokens, the rest of 16 was cut"]


def test_templates_and_instruction_of_the_request_are_hypotheses(pairs: FakePairEncoder) -> None:
    options = Options(templates=("It says {}", "Word: {}"))

    cross_classifier(pairs).classify_texts(["a cup"], text_labels("cup", "sofa"), options)

    assert {hypothesis for _, hypothesis in pairs.pairs} == {"It says cup", "Word: cup", "It says sofa", "Word: sofa"}


def test_no_samples_and_image_labels_need_no_pairs(pairs: FakePairEncoder) -> None:
    classifier = cross_classifier(pairs)
    images = [LabelClass("red", (), ("data:red",)), LabelClass("blue", (), ("data:blue",))]
    examples = {"data:red": colour_pixels("red"), "data:blue": colour_pixels("blue")}

    assert classifier.classify_texts([], text_labels("cup", "sofa"), Options()).ranked == []
    result = classifier.classify_texts(["red"], images, Options(), examples)

    assert chosen_names(result, images) == [["red"]]
    assert pairs.pairs == []


def test_images_meet_labels_in_the_image_text_encoder(pairs: FakePairEncoder) -> None:
    labels = text_labels("red", "blue")

    result = cross_classifier(pairs).classify_images([colour_pixels("red")], labels, Options())

    assert chosen_names(result, labels) == [["red"]]
    assert pairs.pairs == []
