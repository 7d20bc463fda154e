"""A task: one label set, asked about some items. A suite is a list of tasks; this module makes the plain ones of a data set."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pigeonhole.inference.labels.label_class import LabelClass, parse_meaning
from pigeonhole.inference.scoring.calibration import Modality
from pigeonhole_cli.evaluation.data import DataError, Item, by_words


@dataclass(frozen=True)
class Task:
    """Labels and items of one type, each with its truth among the labels: one, or any number of them with `multiple`.

    `pictures`: the file's bytes of each image that describes a label, by its value.

    Raises DataError where that doesn't hold, naming the item.
    """

    name: str
    items: tuple[Item, ...]
    labels: tuple[LabelClass, ...]
    multiple: bool = False
    pictures: Mapping[str, bytes] = field(default_factory=dict, repr=False)

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
                    f"{item.where}: {unknown[0]!r} is not among the labels: name it, too, or one such as 'none of these'"
                )
            if len(item.truth) != 1 and not self.multiple:
                raise DataError(f"{item.where}: it has {len(item.truth)} labels; say --multiple-labels where that may be")

    @property
    def type(self) -> Modality:
        """What the items are."""
        return self.items[0].type


def plain(items: Sequence[Item], name: str, *, labels: Sequence[str] | None = None, multiple: bool = False) -> list[Task]:
    """Make one task of the items; more where they name tasks or label sets of their own.

    `labels`: those to choose from, by default all that the items have. An item of none of them belongs to the label that means
    none of these, if there is one.

    Raises DataError.
    """
    groups: dict[tuple[str, tuple[LabelClass, ...] | None], list[Item]] = {}
    for item in items:
        groups.setdefault((item.task or name, item.labels), []).append(item)
    given = tuple(map(by_words, dict.fromkeys(labels))) if labels else None
    made: list[Task] = []
    used: dict[str, int] = {}
    for (task, own), members in groups.items():
        choices = own or given or _of_truth(task, members)
        used[task] = used.get(task, 0) + 1
        unique = task if used[task] == 1 else f"{task} ({used[task]})"
        made.append(Task(unique, _settled(members, choices), choices, multiple))
    return made


def limited(task: Task, limit: int | None, seed: int) -> Task:
    """Keep `limit` items, drawn at random without repeats, in their order, and all labels. None keeps all items."""
    if limit is None or limit >= len(task.items):
        return task
    drawn = sorted(random.Random(f"{seed} {task.name}").sample(range(len(task.items)), limit))  # noqa: S311 - not a secret
    return replace(task, items=tuple(task.items[index] for index in drawn))


def _of_truth(task: str, items: Sequence[Item]) -> tuple[LabelClass, ...]:
    names = sorted({name for item in items for name in item.truth})
    if len(names) < 2:
        raise DataError(f"{task}: all samples have the same label, {', '.join(names)!r}: name the others with --labels")
    return tuple(map(by_words, names))


def _settled(items: Sequence[Item], labels: Sequence[LabelClass]) -> tuple[Item, ...]:
    """Give items of none of the labels to the one that means so, if there is one."""
    names = {label.name for label in labels}
    none = next((label.name for label in labels if parse_meaning(label).is_none), None)
    if none is None:
        return tuple(items)
    known = [tuple(name for name in item.truth if name in names) for item in items]
    return tuple(
        item if len(kept) == len(item.truth) else replace(item, truth=kept or (none,))
        for item, kept in zip(items, known, strict=True)
    )
