"""Running a task: each item gets an answer, or a fault with its location."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pigeonhole.inference.classifier import Options
from pigeonhole.inference.labels.label_class import LabelClass
from pigeonhole_cli.evaluation import run as module
from pigeonhole_cli.evaluation.item import Item, word_label
from pigeonhole_cli.evaluation.run import run_task
from pigeonhole_cli.evaluation.tasks import Task
from support.fake_model import classifier
from support.fake_web import image_file


def image_item(colour: str, truth: str | None = None, data: bytes | Path | None = None) -> Item:
    return Item(
        "image", colour, (truth or colour,), where=f"location of {colour}", data=image_file(colour) if data is None else data
    )


def text_item(text: str, *truth: str) -> Item:
    return Item("text", text, truth, where=f"location of {text}")


def make_task(*items: Item, labels: Sequence[str] = ("red", "green", "blue"), multiple: bool = False) -> Task:
    return Task("t", items, tuple(map(word_label, labels)), multiple)


def test_every_image_is_answered_and_keeps_its_truth() -> None:
    task = make_task(image_item("green"), image_item("red"), image_item("blue", truth="red"))

    answers = run_task(task, classifier(), Options())

    assert answers.answered == (0, 1, 2)
    assert answers.truth == ((1,), (0,), (0,))
    assert answers.chosen == ((1,), (0,), (2,))
    assert answers.probabilities.dtype == np.float32
    assert answers.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert answers.probabilities.argmax(axis=1).tolist() == [1, 0, 2]


def test_texts_are_answered() -> None:
    task = make_task(text_item("a red one", "red"), text_item("so blue", "blue"))

    assert run_task(task, classifier(), Options()).chosen == ((0,), (2,))


def test_an_item_that_cannot_be_read_is_a_fault_and_the_others_are_answered(tmp_path: Path) -> None:
    broken, gone = image_item("green", data=b"no image"), image_item("blue", data=tmp_path / "gone.png")

    answers = run_task(make_task(image_item("red"), broken, gone, image_item("blue")), classifier(), Options())

    assert (answers.answered, answers.chosen) == ((0, 3), ((0,), (2,)))
    assert [(fault.index, fault.where, fault.code) for fault in answers.faults] == [
        (1, "location of green", "unsupported_media"),
        (2, "location of blue", "unreadable_image"),
    ]
    assert "gone.png can't be read" in answers.faults[1].message


def test_a_task_whose_items_cannot_be_read_has_no_answers() -> None:
    answers = run_task(make_task(image_item("red", data=b"")), classifier(), Options())

    assert (answers.answered, answers.chosen) == ((), ())
    assert (answers.probabilities.shape, len(answers.faults)) == ((0, 3), 1)


def test_chunks_do_not_change_the_answers_and_report_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    readable = [image_item(colour) for colour in ("red", "green", "blue", "red", "blue")]
    task = make_task(*readable, image_item("red", data=b"x"))
    whole = run_task(task, classifier(), Options())
    monkeypatch.setattr(module, "CHUNK_ITEMS", 2)
    progress: list[int] = []

    chunked = run_task(task, classifier(), Options(), on_progress=progress.append, workers=2)

    assert progress == [2, 2, 2]
    assert (chunked.answered, chunked.chosen, chunked.faults) == (whole.answered, whole.chosen, whole.faults)
    assert chunked.probabilities == pytest.approx(whole.probabilities, abs=1e-6)  # rounding depends on the batch


def test_the_task_sets_whether_several_labels_may_be_true() -> None:
    task = make_task(text_item("red and blue", "red", "blue"), multiple=True)

    answers = run_task(task, classifier(), Options(threshold=0.0))

    assert answers.truth == ((0, 2),)
    assert sorted(answers.chosen[0]) == [0, 1, 2]


def test_a_label_may_be_described_by_an_image() -> None:
    labels = (LabelClass("this", (), ("a.png",)), LabelClass("that", (), ("b.png",)))
    images = {"a.png": image_file("red"), "b.png": image_file("blue")}
    task = Task("t", (image_item("blue", truth="that"),), labels, images=images)

    assert run_task(task, classifier(), Options()).chosen == ((1,),)


def test_a_warning_names_the_items_location_in_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_ITEMS", 1)
    long = " ".join(["red"] * 30)

    answers = run_task(make_task(text_item("red", "red"), text_item(long, "red")), classifier(), Options())

    assert [warning for warning in answers.warnings if warning.startswith(f"location of {long}: ")]
