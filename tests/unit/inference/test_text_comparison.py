"""Texts are compared in the sentence encoder and, as far as their weight says, in the multilingual one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pigeonhole.inference.classifier import Classifier, ClassifierResult, Options
from pigeonhole.inference.encoders import background_files
from pigeonhole.inference.scoring.calibration import MultilingualWeights, prior_calibration
from support.fake_encoder import FakeEncoder
from support.fake_model import RecordingEncoder, chosen_names, text_labels

ENGLISH_OF = {"кошка": "cat", "ракета": "rocket", "собака": "dog"}
LABELS = text_labels("cat", "rocket", "dog")


@dataclass(frozen=True)
class TranslatingEncoder(FakeEncoder):
    """A FakeEncoder that reads some Russian words as their English ones."""

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        return super().encode_text([" ".join(ENGLISH_OF.get(word, word) for word in text.split()) for text in texts])


def fake_comparison(english: float, other: float) -> tuple[Classifier, RecordingEncoder]:
    """Return a classifier with a multilingual encoder of these weights, and that encoder."""
    sentence, multilingual = FakeEncoder(model_id="sentence"), RecordingEncoder(TranslatingEncoder(dim=48))
    classifier = Classifier(
        encoder=FakeEncoder(),
        sentence=sentence,
        calibration=replace(prior_calibration(sentence.info), multilingual=MultilingualWeights(english, other)),
        background=background_files.embed(FakeEncoder(), sentence, multilingual),  # type: ignore[arg-type]
        multilingual=multilingual,  # type: ignore[arg-type]
    )
    multilingual.texts.clear()
    return classifier, multilingual


def scores(result: ClassifierResult) -> np.ndarray:
    return np.array([[label.probability for label in sorted(row, key=lambda label: label.index)] for row in result.ranked])


def test_a_text_of_another_language_is_read_by_the_multilingual_encoder() -> None:
    classifier, _ = fake_comparison(english=0.0, other=0.6)

    result = classifier.classify_texts(["кошка", "a rocket", "ракета", "собака"], LABELS, Options())

    assert chosen_names(result, LABELS) == [["cat"], ["rocket"], ["rocket"], ["dog"]]


def test_only_texts_with_a_weight_are_read_by_the_multilingual_encoder() -> None:
    classifier, multilingual = fake_comparison(english=0.0, other=0.6)

    classifier.classify_texts(["a rocket", "кошка", "a dog"], LABELS, Options())

    assert [text for text in multilingual.texts if text in ("a rocket", "кошка", "a dog")] == ["кошка"]


def test_the_multilingual_encoder_is_not_run_for_english_texts_of_weight_0() -> None:
    classifier, multilingual = fake_comparison(english=0.0, other=0.6)

    alone = classifier.classify_texts(["a rocket"], LABELS, Options())

    assert multilingual.texts == []
    np.testing.assert_allclose(
        scores(classifier.classify_texts(["a rocket", "кошка"], LABELS, Options()))[:1], scores(alone), atol=1e-6
    )


def test_an_answer_does_not_depend_on_the_other_samples() -> None:
    classifier, _ = fake_comparison(english=0.3, other=0.6)
    texts = ["a rocket", "кошка", "собака and a dog", "a cat"]

    for options in (Options(), Options(multiple_labels=True)):
        together = scores(classifier.classify_texts(texts, LABELS, options))
        alone = np.concatenate([scores(classifier.classify_texts([text], LABELS, options)) for text in texts])
        np.testing.assert_allclose(together, alone, atol=1e-6)


def test_images_are_compared_with_labels_in_the_image_text_encoder_only() -> None:
    classifier, multilingual = fake_comparison(english=0.3, other=0.6)

    classifier.classify_images([FakeEncoder().fit(image) for image in ()], LABELS, Options())
    (label,) = classifier.embed_label_texts("image", ["cat"])

    assert label.vector.shape == (FakeEncoder().dim,)
    assert multilingual.texts == []


def test_embedded_samples_and_labels_fit_each_other_whatever_the_weights() -> None:
    for english in (0.0, 0.3):
        classifier, _ = fake_comparison(english=english, other=0.6)
        samples = classifier.embed_text_samples(["a rocket", "a cat"])
        labels = classifier.embed_label_texts("text", ["rocket", "cat"])

        evidence = classifier.compare(("text", "text"), samples, labels)

        assert evidence.cosines.argmax(axis=1).tolist() == [0, 1]
