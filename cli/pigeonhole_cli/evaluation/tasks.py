"""A task is one label set with the items to classify by it. This module makes the plain tasks of a data set.

A suite makes tasks of another kind (see suites.py).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from pigeonhole.inference.labels.label_class import LabelClass, parse_meanings
from pigeonhole.inference.scoring.calibration import Modality
from pigeonhole_cli.evaluation.item import DataError, Item, word_label

T = TypeVar("T")


@dataclass(frozen=True)
class Task:
    """Labels, and items of one type whose true labels are among them.

    Attributes:
        name: The task's name in the report.
        items: The samples.
        labels: The labels to choose from.
        multiple: Whether any number of labels may be true. Otherwise each item has exactly one.
        images: The files of the images that describe labels, by their value in the label.
        group: The tasks that share a mean, such as "dev, English", if the task is a set of the data. Else None.

    Raises:
        DataError: An item doesn't fit the task. The message names it.
    """

    name: str
    items: tuple[Item, ...]
    labels: tuple[LabelClass, ...]
    multiple: bool = False
    images: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    group: str | None = None

    def __post_init__(self) -> None:
        if not self.items:
            raise DataError(f"task {self.name!r} has no samples")
        names = {label.name for label in self.labels}
        if len(names) < len(self.labels):
            raise DataError(f"task {self.name!r} has two labels of one name")
        for item in self.items:
            if item.type != self.type:
                raise DataError(f"{item.where}: texts and images are mixed; evaluate one type at a time, or name tasks")
            if unknown := [name for name in item.truth if name not in names]:
                raise DataError(
                    f"{item.where}: {unknown[0]!r} is not among the labels: add it, or a label such as 'none of these'"
                )
            if len(item.truth) != 1 and not self.multiple:
                raise DataError(f"{item.where}: it has {len(item.truth)} labels; allow that with --multiple-labels")

    @property
    def type(self) -> Modality:
        """The type of the items."""
        return self.items[0].type


def plain_tasks(items: Sequence[Item], name: str, *, labels: Sequence[str] | None = None, multiple: bool = False) -> list[Task]:
    """Make one task of all items, or several if items name tasks or label sets of their own.

    Args:
        items: The samples.
        name: The name of the task.
        labels: The labels to choose from. Default: all labels of the items. If one of the labels means "none of these",
            it is the true label of the items that have none of the others.
        multiple: Whether any number of labels may be true.

    Raises:
        DataError: The items can't be made into tasks.
    """
    groups: dict[tuple[str, tuple[LabelClass, ...] | None], list[Item]] = {}
    for item in items:
        groups.setdefault((item.task or name, item.labels), []).append(item)
    common_labels = tuple(map(word_label, dict.fromkeys(labels))) if labels else None
    has_sets = any(item.task for item in items)
    tasks: list[Task] = []
    uses: dict[str, int] = {}
    for (task_name, item_labels), group in groups.items():
        task_labels = item_labels or common_labels or _labels_of_truth(task_name, group)
        uses[task_name] = uses.get(task_name, 0) + 1
        unique_name = task_name if uses[task_name] == 1 else f"{task_name} ({uses[task_name]})"
        items_of_task = _with_none_of_these(group, task_labels)
        set_group = _group_name(group) if has_sets else None
        tasks.append(Task(unique_name, items_of_task, task_labels, multiple, group=set_group))
    return tasks


def limit_task(task: Task, limit: int | None, seed: int, *, balanced: bool = False) -> Task:
    """Return the task with `limit` random items in their original order, and all labels. None keeps all items.

    Args:
        task: The task.
        limit: The number of items.
        seed: The seed of the random choice.
        balanced: Whether to draw from each label in turn, so that rare labels have as many items as they can.
    """
    if limit is None or limit >= len(task.items):
        return task
    rng = random.Random(f"{seed} {task.name}")  # noqa: S311 - not a secret
    if balanced:
        by_label: dict[str, list[int]] = {}
        for index, item in enumerate(task.items):
            by_label.setdefault(item.truth[0] if item.truth else "", []).append(index)
        indices = draw_evenly(by_label, limit, rng)
    else:
        indices = rng.sample(range(len(task.items)), limit)
    return replace(task, items=tuple(task.items[index] for index in sorted(indices)))


def draw_evenly(by_class: Mapping[str, Sequence[T]], count: int, rng: random.Random) -> list[T]:
    """Return at most `count` samples without repetition, from each class in turn while it has samples left."""
    queues = [sample(by_class[name], len(by_class[name]), rng) for name in sample(sorted(by_class), len(by_class), rng)]
    drawn: list[T] = []
    while queues and len(drawn) < count:
        queues = [queue for queue in queues if queue]
        drawn += [queue.pop() for queue in queues]
    return drawn[:count]


def sample(values: Sequence[T], count: int, rng: random.Random) -> list[T]:
    """Return at most `count` values in random order."""
    return rng.sample(list(values), min(count, len(values)))


def _group_name(items: Sequence[Item]) -> str:
    """Return the name of the group of a set: its split, and for texts whether they are English."""
    splits = sorted({item.split for item in items if item.split})
    languages = {item.language for item in items if item.language}
    by_language = ["English" if languages == {"en"} else "other languages"] if languages else []
    return ", ".join([*splits, *by_language])


def _labels_of_truth(task_name: str, items: Sequence[Item]) -> tuple[LabelClass, ...]:
    names = sorted({name for item in items for name in item.truth})
    if len(names) < 2:
        raise DataError(f"{task_name}: all samples have the same label, {', '.join(names)!r}: name the others with --labels")
    return tuple(map(word_label, names))


def _with_none_of_these(items: Sequence[Item], labels: Sequence[LabelClass]) -> tuple[Item, ...]:
    """Give the label that means "none of these", if there is one, to the items that have none of the labels."""
    names = {label.name for label in labels}
    none = next((label.name for label, meaning in zip(labels, parse_meanings(labels), strict=True) if meaning.is_none), None)
    if none is None:
        return tuple(items)
    known = [tuple(name for name in item.truth if name in names) for item in items]
    return tuple(
        item if len(truth) == len(item.truth) else replace(item, truth=truth or (none,))
        for item, truth in zip(items, known, strict=True)
    )
