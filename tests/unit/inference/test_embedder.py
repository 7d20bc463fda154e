"""Samples, prompts and example images are embedded once each, in batches, by several workers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Barrier

import numpy as np
import pytest

from pigeonhole.inference.classifier import Options
from pigeonhole.inference.labels.label_class import LabelClass
from support.fake_model import RecordingEncoder, chosen_names, colour_pixels, fake_classifier, text_labels


def test_a_label_is_encoded_once_and_not_again_in_the_next_request() -> None:
    encoder = RecordingEncoder()
    classifier = fake_classifier(encoder)
    labels = [LabelClass("one", ("red", "green"), ()), LabelClass("two", ("red",), ("a",)), LabelClass("three", (), ("a",))]
    for _ in range(2):
        classifier.classify_images([colour_pixels("red")] * 3, labels, Options(), {"a": colour_pixels("blue")})
    assert sorted(encoder.texts) == ["a photo of green", "a photo of red", "green", "red"]
    assert encoder.images == 2 * (3 + 1)


@dataclass
class MeetingEncoder(RecordingEncoder):
    """An encoder whose every call waits for another concurrent call."""

    barrier: Barrier = field(default_factory=lambda: Barrier(2, timeout=20))
    sizes: list[int] = field(default_factory=list)

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        self.barrier.wait()
        return super().encode_text(texts)

    def encode_image(self, pixels: np.ndarray) -> np.ndarray:
        self.barrier.wait()
        self.sizes.append(len(pixels))
        return super().encode_image(pixels)


def test_two_workers_encode_images_and_prompts_concurrently_in_batches_of_similar_size() -> None:
    encoder, colours = MeetingEncoder(), ["red", "green", "blue", "white", "black", "red", "blue", "green", "red", "white"]
    labels = text_labels("red", "green", "blue", "white", "black")
    result = fake_classifier(encoder, batch=4, workers=2).classify_images(
        [colour_pixels(colour) for colour in colours], labels, Options()
    )
    assert chosen_names(result, labels) == [[colour] for colour in colours]
    assert sorted(encoder.sizes) == [2, 2, 3, 3]
    assert len(encoder.texts) == len(set(encoder.texts)) == 2 * len(labels)


@pytest.mark.parametrize("count", [2, 8, 31, 40, 64])
def test_few_images_leave_no_worker_without_a_batch(count: int) -> None:
    """Uploads come in jobs of any size. A batch that one worker encodes alone would wait for another one here, in vain."""
    encoder = MeetingEncoder()

    fake_classifier(encoder, batch=8, workers=2).classify_images(
        [colour_pixels("red")] * count, text_labels("red", "green"), Options()
    )

    assert sum(encoder.sizes) == count
    assert max(encoder.sizes) <= 8


class BrokenEncoder(RecordingEncoder):
    """An encoder that fails on blue images."""

    def encode_image(self, pixels: np.ndarray) -> np.ndarray:
        if (pixels[0] == colour_pixels("blue")).all():
            raise RuntimeError("no blue")
        return super().encode_image(pixels)


def test_an_error_of_one_worker_is_raised_by_the_call() -> None:
    with pytest.raises(RuntimeError, match="no blue"):
        fake_classifier(BrokenEncoder(), workers=2).classify_images(
            [colour_pixels("red"), colour_pixels("blue")], text_labels("a", "b"), Options()
        )
