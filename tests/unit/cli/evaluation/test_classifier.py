"""The classifier of an evaluation: its encoders cache embeddings and don't change the answers."""

from __future__ import annotations

import numpy as np

from pigeonhole.inference.classifier import Options
from pigeonhole_cli.evaluation.classifier import CachingEncoder, describe_model
from pigeonhole_cli.evaluation.item import Item, word_label
from pigeonhole_cli.evaluation.run import run_task
from pigeonhole_cli.evaluation.tasks import Task
from support.fake_encoder import FakeEncoder
from support.fake_model import RecordingEncoder, classifier
from support.fake_web import image_file


def colour_task(*colours: str, labels: tuple[str, ...] = ("red", "green", "blue")) -> Task:
    items = tuple(Item("image", colour, (colour,), where=colour, data=image_file(colour)) for colour in colours)
    return Task("t", items, tuple(map(word_label, labels)))


def test_each_image_and_text_is_encoded_once_and_the_answers_do_not_change() -> None:
    task = colour_task("red", "green", "red")
    recording = RecordingEncoder()
    caching = classifier(CachingEncoder(recording))  # type: ignore[arg-type]

    first, second = (run_task(task, caching, Options()) for _ in range(2))
    other = run_task(colour_task("red", "blue", labels=("red", "blue")), caching, Options())

    assert recording.images == 3
    assert len(recording.texts) == len(set(recording.texts))
    assert (first.probabilities == run_task(task, classifier(), Options()).probabilities).all()
    assert (first.probabilities == second.probabilities).all()
    assert other.chosen == ((0,), (1,))


def test_cached_embeddings_keep_the_order_and_no_input_is_allowed() -> None:
    fake, caching = FakeEncoder(), CachingEncoder(FakeEncoder())
    caching.encode_text(["b"])

    assert (caching.encode_text(["a", "b", "a", "c"]) == fake.encode_text(["a", "b", "a", "c"])).all()
    assert caching.encode_text([]).shape == (0, fake.dim)
    assert caching.encode_image(np.zeros((0, 8, 8, 3), dtype=np.uint8)).shape == (0, fake.dim)
    assert caching.info == fake.info


def test_the_model_is_described() -> None:
    description = describe_model(classifier())

    assert (description.model_id, description.engine, description.calibrated) == ("fake", "fake", False)
