"""The pipeline classifies a command's samples in groups, and embeds the stored images of label sets once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import sleep
from typing import Any

import numpy as np
import pytest

from pigeonhole.errors import UnfetchableUrl, UnreadableImage
from support.fake_encoder import FakePairEncoder
from support.fake_model import RecordingEncoder, fake_pipeline
from support.fake_web import RED_GREEN, FakeWeb, classify_command, image_file


def test_texts_are_classified_against_text_and_image_labels() -> None:
    labels = [*RED_GREEN, {"key": "sea", "type": "image", "value": "blue.png"}]
    result = fake_pipeline(FakeWeb({"blue.png": image_file("blue")})).classify(
        classify_command([("text", "a red car")], labels)
    )
    assert result.predictions == [["red"]]
    assert result.scores is None


def test_an_unreadable_sample_fails_the_request_with_every_fault_and_its_path() -> None:
    web = FakeWeb({"good": image_file("red"), "broken": image_file("red")[:-30]})
    samples = [("image", "good"), ("image", "broken"), ("image", "forbidden:x")]
    with pytest.raises(UnreadableImage) as caught:
        fake_pipeline(web).classify(classify_command(samples, RED_GREEN))
    assert caught.value.message.startswith("dataset.1.value: ")
    assert [fault.path for fault in caught.value.details] == ["dataset.1.value", "dataset.2.value"]


def test_an_unreadable_label_image_fails_the_request_even_with_on_error_null() -> None:
    labels = [*RED_GREEN, {"type": "image", "value": "missing"}]
    with pytest.raises(UnfetchableUrl, match=r"^labels\.2\.value: "):
        fake_pipeline(FakeWeb({"good": image_file("green")})).classify(
            classify_command([("image", "good")], labels, on_error="null")
        )


def test_a_request_without_a_readable_sample_is_answered() -> None:
    result = fake_pipeline(FakeWeb({})).classify(classify_command([("image", "missing")], RED_GREEN, on_error="null"))
    assert result.predictions == [None]
    assert [fault.index for fault in result.errors] == [0]


@pytest.mark.parametrize("blank", ["", "  ", "\x00", "\u00a0\u200b"])
@pytest.mark.parametrize("kind", ["text", "image"])
def test_a_blank_sample_gets_an_error_and_the_others_a_prediction(kind: str, blank: str) -> None:
    web = FakeWeb({"red": image_file("red")})

    result = fake_pipeline(web).classify(classify_command([(kind, blank), (kind, "red")], RED_GREEN, on_error="null"))

    assert result.predictions == [None, ["red"]]
    assert [(fault.index, fault.code) for fault in result.errors] == [(0, "invalid_request")]
    assert "must not be blank" in result.errors[0].message


def test_a_request_of_blank_texts_is_answered() -> None:
    result = fake_pipeline(FakeWeb({})).classify(classify_command([("text", " ")] * 2, RED_GREEN, on_error="null"))

    assert (result.predictions, [fault.index for fault in result.errors]) == ([None, None], [0, 1])


def test_a_cross_encoder_reads_a_limited_number_of_pairs_before_the_time_is_asked() -> None:
    pairs = FakePairEncoder()
    labels = [{"type": "text", "value": value} for value in ("car", "sofa", "none of these")]
    command = classify_command([("text", f"car {k}") for k in range(10)], labels)
    read_before: list[int] = []

    def should_continue() -> bool:
        read_before.append(len(pairs.pairs))
        return len(read_before) < 3

    result = fake_pipeline(FakeWeb({}), sentence=pairs, pairs=7).classify(command, should_continue=should_continue)

    # Three labels by words: at most 7 // 3 texts at once. "none of these" needs no run.
    assert read_before == [4, 8, 12]
    assert result.predictions == [["car"]] * 6


def test_a_text_with_many_labels_is_read_by_a_cross_encoder_even_above_the_limit() -> None:
    labels = [{"type": "text", "value": f"thing {k}"} for k in range(9)]
    pairs = FakePairEncoder()

    result = fake_pipeline(FakeWeb({}), sentence=pairs, pairs=5).classify(
        classify_command([("text", "8"), ("text", "3")], labels)
    )

    assert result.predictions == [["thing 8"], ["thing 3"]]


@dataclass
class WebBehindLabels(FakeWeb):
    """A web whose images arrive once the labels are embedded."""

    encoder: RecordingEncoder = field(default_factory=RecordingEncoder)

    def fetch(self, value: str, **options: Any) -> bytes:
        for _ in range(5_000):
            if self.encoder.texts:
                return super().fetch(value, **options)
            sleep(0.001)
        raise TimeoutError("the labels wait for the images")


def test_labels_are_embedded_while_images_are_fetched() -> None:
    web = WebBehindLabels({"one": image_file("red")})

    result = fake_pipeline(web, encoder=web.encoder).classify(classify_command([("image", "one")], RED_GREEN))

    assert result.predictions == [["red"]]
    assert len(web.encoder.texts) == len(set(web.encoder.texts))


def test_the_image_tower_is_opened_while_images_are_fetched() -> None:
    class OpeningEncoder(RecordingEncoder):
        def encode_image(self, pixels: np.ndarray) -> np.ndarray:
            self.texts.extend(["opened"] * (len(pixels) == 0))
            return super().encode_image(pixels)

        def encode_text(self, texts: Sequence[str]) -> np.ndarray:
            return self.inner.encode_text(texts)

    web = WebBehindLabels({"one": image_file("red")}, encoder=OpeningEncoder())

    result = fake_pipeline(web, encoder=web.encoder).classify(classify_command([("image", "one")], RED_GREEN))

    assert result.predictions == [["red"]]


def test_an_error_of_the_labels_is_that_of_the_request() -> None:
    class BrokenEncoder(RecordingEncoder):
        def encode_text(self, texts: Sequence[str]) -> Any:
            raise MemoryError(texts[0])

    with pytest.raises(MemoryError):
        fake_pipeline(FakeWeb({"one": image_file("red")}), encoder=BrokenEncoder()).classify(
            classify_command([("image", "one")], RED_GREEN)
        )
