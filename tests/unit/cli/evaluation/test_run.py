"""A task's items go through the classifier, each kept: as an answer, or as a fault with its place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pigeonhole.inference.classifier import Options
from pigeonhole.inference.encoders.fake_encoder import FakeEncoder
from pigeonhole.inference.labels.label_class import LabelClass
from pigeonhole_cli.evaluation import run as module
from pigeonhole_cli.evaluation.data import Item, by_words
from pigeonhole_cli.evaluation.run import Remembering, description, run
from pigeonhole_cli.evaluation.tasks import Task
from support.fake_model import RecordingEncoder, classifier
from support.fake_web import image_file


def picture(colour: str, truth: str | None = None, data: bytes | Path | None = None) -> Item:
    return Item(
        "image", colour, (truth or colour,), where=f"place of {colour}", data=image_file(colour) if data is None else data
    )


def words(text: str, *truth: str) -> Item:
    return Item("text", text, truth, where=f"place of {text}")


def task(*items: Item, labels: Sequence[str] = ("red", "green", "blue"), **more: object) -> Task:
    return Task("t", items, tuple(map(by_words, labels)), **more)  # type: ignore[arg-type]


def test_every_picture_is_answered_and_keeps_its_truth() -> None:
    found = run(task(picture("green"), picture("red"), picture("blue", truth="red")), classifier(), Options())

    assert found.answered == (0, 1, 2)
    assert found.truth == ((1,), (0,), (0,))
    assert found.chosen == ((1,), (0,), (2,))
    assert found.probabilities.dtype == np.float32
    assert found.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert found.probabilities.argmax(axis=1).tolist() == [1, 0, 2]


def test_texts_are_answered_too() -> None:
    found = run(task(words("a red one", "red"), words("so blue", "blue")), classifier(), Options())

    assert found.chosen == ((0,), (2,))


def test_what_cannot_be_read_is_a_fault_with_its_place_and_the_rest_is_answered(tmp_path: Path) -> None:
    items = (picture("red"), picture("green", data=b"no picture"), picture("blue", data=tmp_path / "gone.png"), picture("blue"))

    found = run(task(*items), classifier(), Options())

    assert (found.answered, found.chosen) == ((0, 3), ((0,), (2,)))
    assert [(fault.index, fault.where, fault.code) for fault in found.faults] == [
        (1, "place of green", "unsupported_media"),
        (2, "place of blue", "unreadable_image"),
    ]
    assert "gone.png can't be read" in found.faults[1].message


def test_a_task_of_which_nothing_can_be_read_has_no_answers() -> None:
    found = run(task(picture("red", data=b"")), classifier(), Options())

    assert (found.answered, found.chosen, found.probabilities.shape, len(found.faults)) == ((), (), (0, 3), 1)


def test_chunks_make_no_difference_and_tell_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = task(*(picture(colour) for colour in ("red", "green", "blue", "red", "blue")), picture("red", data=b"x"))
    whole = run(asked, classifier(), Options())
    monkeypatch.setattr(module, "CHUNK", 2)
    done: list[int] = []

    parts = run(asked, classifier(), Options(), on_done=done.append, workers=2)

    assert done == [2, 2, 2]
    assert (parts.answered, parts.chosen, parts.faults) == (whole.answered, whole.chosen, whole.faults)
    assert parts.probabilities == pytest.approx(whole.probabilities, abs=1e-6)  # sums of other lengths round otherwise


def test_the_task_says_whether_several_labels_may_be_true() -> None:
    item = words("red and blue", "red", "blue")
    found = run(task(item, multiple=True), classifier(), Options(threshold=0.0))

    assert found.truth == ((0, 2),)
    assert sorted(found.chosen[0]) == [0, 1, 2]


def test_a_label_may_be_described_by_a_picture() -> None:
    labels = (LabelClass("this", (), ("a.png",)), LabelClass("that", (), ("b.png",)))
    asked = Task(
        "t", (picture("blue", truth="that"),), labels, pictures={"a.png": image_file("red"), "b.png": image_file("blue")}
    )

    assert run(asked, classifier(), Options()).chosen == ((1,),)


def test_a_warning_names_the_item_not_its_place_in_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 1)
    long = " ".join(["red"] * 30)

    found = run(task(words("red", "red"), words(long, "red")), classifier(), Options())

    assert [warning for warning in found.warnings if warning.startswith(f"place of {long}: the model reads 8 tokens")]


def test_remembering_encodes_each_picture_and_text_once_and_changes_no_answer() -> None:
    asked = task(picture("red"), picture("green"), picture("red"))
    counting = RecordingEncoder()
    remembering = classifier(Remembering(counting))  # type: ignore[arg-type]

    once, again = (run(asked, remembering, Options()) for _ in range(2))
    other = run(task(picture("red"), picture("blue"), labels=("red", "blue")), remembering, Options())

    assert counting.images == 3
    assert len(counting.texts) == len(set(counting.texts))
    assert (once.probabilities == run(asked, classifier(), Options()).probabilities).all()
    assert (once.probabilities == again.probabilities).all()
    assert other.chosen == ((0,), (1,))


def test_remembering_keeps_the_order_and_takes_nothing() -> None:
    fake, remembering = FakeEncoder(), Remembering(FakeEncoder())
    remembering.encode_text(["b"])

    assert (remembering.encode_text(["a", "b", "a", "c"]) == fake.encode_text(["a", "b", "a", "c"])).all()
    assert remembering.encode_text([]).shape == (0, fake.dim)
    assert remembering.encode_image(np.zeros((0, 8, 8, 3), dtype=np.uint8)).shape == (0, fake.dim)
    assert remembering.info == fake.info


def test_what_runs_is_described() -> None:
    found = description(classifier())

    assert (found.model_id, found.engine, found.calibrated) == ("fake", "fake", False)
