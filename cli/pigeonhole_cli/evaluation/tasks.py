"""A task is one label set with the items to classify by it. This module makes the plain tasks of a data set.

A suite makes tasks of another kind (see suites.py).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pigeonhole.inference.labels.label_class import LabelClass, parse_meaning
from pigeonhole.inference.scoring.calibration import Modality
from pigeonhole_cli.evaluation.item import DataError, Item, word_label


@dataclass(frozen=True)
class Task:
    """Labels, and items of one type whose true labels are among them.

    Attributes:
        name: The task's name in the report.
        items: The samples.
        labels: The labels to choose from.
        multiple: Whether any number of labels may be true. Otherwise each item has exactly one.
        images: The files of the images that describe labels, by their value in the label.

    Raises:
        DataError: An item doesn't fit the task. The message names it.
    """

    name: str
    items: tuple[Item, ...]
    labels: tuple[LabelClass, ...]
    multiple: bool = False
    images: Mapping[str, bytes] = field(default_factory=dict, repr=False)

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
    tasks: list[Task] = []
    uses: dict[str, int] = {}
    for (task_name, item_labels), group in groups.items():
        task_labels = item_labels or common_labels or _labels_of_truth(task_name, group)
        uses[task_name] = uses.get(task_name, 0) + 1
        unique_name = task_name if uses[task_name] == 1 else f"{task_name} ({uses[task_name]})"
        tasks.append(Task(unique_name, _with_none_of_these(group, task_labels), task_labels, multiple))
    return tasks


def limit_task(task: Task, limit: int | None, seed: int) -> Task:
    """Return the task with `limit` random items in their original order, and all labels. None keeps all items."""
    if limit is None or limit >= len(task.items):
        return task
    indices = sorted(random.Random(f"{seed} {task.name}").sample(range(len(task.items)), limit))  # noqa: S311 - not a secret
    return replace(task, items=tuple(task.items[index] for index in indices))


def _labels_of_truth(task_name: str, items: Sequence[Item]) -> tuple[LabelClass, ...]:
    names = sorted({name for item in items for name in item.truth})
    if len(names) < 2:
        raise DataError(f"{task_name}: all samples have the same label, {', '.join(names)!r}: name the others with --labels")
    return tuple(map(word_label, names))


def _with_none_of_these(items: Sequence[Item], labels: Sequence[LabelClass]) -> tuple[Item, ...]:
    """Give the label that means "none of these", if there is one, to the items that have none of the labels."""
    names = {label.name for label in labels}
    none = next((label.name for label in labels if parse_meaning(label).is_none), None)
    if none is None:
        return tuple(items)
    known = [tuple(name for name in item.truth if name in names) for item in items]
    return tuple(
        item if len(truth) == len(item.truth) else replace(item, truth=truth or (none,))
        for item, truth in zip(items, known, strict=True)
    )
