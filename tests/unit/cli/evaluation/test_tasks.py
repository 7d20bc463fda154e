"""Plain tasks: the labels of the data, given labels, and a random part of the samples."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pigeonhole.inference.labels.label_class import LabelClass
from pigeonhole_cli.evaluation.item import DataError, Item
from pigeonhole_cli.evaluation.tasks import limit_task, plain_tasks


def text_item(value: str, *truth: str, **fields: object) -> Item:
    return Item("text", value, truth, where=f"line of {value}", **fields)  # type: ignore[arg-type]


def label_names(labels: tuple[LabelClass, ...]) -> list[str]:
    return [label.name for label in labels]


def test_a_plain_task_has_all_labels_of_the_data() -> None:
    (task,) = plain_tasks([text_item("1", "b"), text_item("2", "a"), text_item("3", "b")], "letters")

    assert (task.name, label_names(task.labels), len(task.items)) == ("letters", ["a", "b"], 3)


def test_given_labels_keep_their_order() -> None:
    (task,) = plain_tasks([text_item("1", "b")], "letters", labels=["c", "b", "a", "c"])

    assert label_names(task.labels) == ["c", "b", "a"]


def test_samples_without_a_given_label_are_none_of_these() -> None:
    (task,) = plain_tasks([text_item("1", "a"), text_item("2", "z")], "letters", labels=["a", "b", "none of these"])

    assert [item.truth for item in task.items] == [("a",), ("none of these",)]


def test_items_with_label_sets_or_tasks_are_grouped_into_tasks() -> None:
    labels = (LabelClass("x", ("x",), ()), LabelClass("y", ("y",), ()))
    items = [
        text_item("1", "a"),
        text_item("2", "b"),
        text_item("3", "x", labels=labels, task="t"),
        text_item("4", "x", labels=labels[::-1], task="t"),
    ]

    tasks = plain_tasks(items, "letters")

    assert [(task.name, label_names(task.labels)) for task in tasks] == [
        ("letters", ["a", "b"]),
        ("t", ["x", "y"]),
        ("t (2)", ["y", "x"]),
    ]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: plain_tasks([text_item("1", "a"), text_item("2", "z")], "n", labels=["a", "b"]),
            "line of 2: 'z' is not among the labels",
        ),
        (lambda: plain_tasks([text_item("1", "a"), text_item("2", "a")], "n"), "all samples have the same label, 'a'"),
        (lambda: plain_tasks([text_item("1", "a", "b")], "n"), "line of 1: it has 2 labels; "),
        (
            lambda: plain_tasks([text_item("1", "a"), Item("image", "p", ("b",), "line of p")], "n"),
            "line of p: texts and images are mixed",
        ),
    ],
)
def test_items_that_do_not_fit_a_task_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make()


def test_a_limit_draws_the_same_samples_for_the_same_seed_and_keeps_all_labels() -> None:
    (task,) = plain_tasks([text_item(str(k), "ab"[k % 2]) for k in range(100)], "n", labels=["a", "b", "c"])

    drawn = [[item.value for item in limit_task(task, 10, seed).items] for seed in (1, 1, 2)]

    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] == sorted(drawn[0], key=int)
    assert len(set(drawn[0])) == 10
    assert label_names(limit_task(task, 10, 1).labels) == ["a", "b", "c"]
    assert limit_task(task, None, 1) is task


def test_a_balanced_limit_draws_from_each_label_in_turn() -> None:
    (task,) = plain_tasks([text_item(str(k), "rare" if k < 5 else "common") for k in range(100)], "n")

    drawn = limit_task(task, 20, seed=0, balanced=True)

    assert [item.truth[0] for item in drawn.items] == ["rare"] * 5 + ["common"] * 15
    assert drawn.items == limit_task(task, 20, seed=0, balanced=True).items


def test_each_set_is_a_task_with_its_own_labels_in_the_group_of_its_split_and_language() -> None:
    items = [
        text_item("1", "a", task="s", split="dev", language="en"),
        text_item("2", "b", task="s", split="dev", language="en"),
        text_item("3", "a", task="t", split="hard", language="de"),
        text_item("4", "c", task="t", split="hard", language="de"),
    ]

    tasks = plain_tasks(items, "n")

    assert [(task.name, label_names(task.labels), task.group) for task in tasks] == [
        ("s", ["a", "b"], "dev, English"),
        ("t", ["a", "c"], "hard, other languages"),
    ]


def test_data_without_sets_has_no_group() -> None:
    (task,) = plain_tasks([text_item("1", "a", split="dev"), text_item("2", "b", split="dev")], "n")

    assert task.group is None
