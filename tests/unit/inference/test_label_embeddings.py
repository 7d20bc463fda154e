"""Example images that all commands of a job name are fetched and embedded once."""

from __future__ import annotations

from pigeonhole.inference.label_embeddings import LabelEmbeddingMemory
from pigeonhole.inference.limits import ChunkLimits
from pigeonhole.inference.pipeline import InferencePipeline
from support.fake_encoder import FakeEncoder
from support.fake_model import IMAGE_LIMITS, RecordingEncoder, fake_classifier, fake_decoder
from support.fake_web import FakeWeb, classify_command, image_file

LABELS = [
    {"key": "sea", "type": "image", "value": "blue.png"},
    {"key": "meadow", "type": "image", "value": "green.png"},
]


def test_the_example_images_of_many_commands_are_fetched_and_embedded_once() -> None:
    web = FakeWeb({f"{colour}.png": image_file(colour) for colour in ("blue", "green")} | {"photo": image_file("blue")})
    encoder = RecordingEncoder()
    pipeline = InferencePipeline(
        image_fetcher=web,  # type: ignore[arg-type]
        decoder=fake_decoder(),
        classifier=fake_classifier(encoder),
        limits=ChunkLimits(IMAGE_LIMITS),
        label_images=LabelEmbeddingMemory(encoder),
    )

    for _ in range(3):
        assert pipeline.classify(classify_command([("image", "photo")], LABELS)).predictions == [["sea"]]

    assert sorted(web.fetched) == ["blue.png", "green.png", "photo", "photo", "photo"]
    assert encoder.images == 2 + 3


def test_an_image_without_an_embedding_is_missing() -> None:
    memory = LabelEmbeddingMemory(FakeEncoder())

    assert memory.is_stored("anything", "acme")
    assert memory.read_embeddings(["a"]) == {}
