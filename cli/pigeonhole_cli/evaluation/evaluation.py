"""One model's answers to some tasks: their metrics, and the mistakes with the highest probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from pigeonhole.contract.commands import ModelDescription
from pigeonhole.inference.classifier import Options
from pigeonhole_cli.evaluation import metrics
from pigeonhole_cli.evaluation.item import Item
from pigeonhole_cli.evaluation.metrics import Estimate, Estimates, Scored
from pigeonhole_cli.evaluation.run import Answers

MAX_MISTAKES = 24


@dataclass(frozen=True)
class Evaluation:
    """One model's answers, and how they were produced.

    Attributes:
        name: The model's name among the models that are compared.
        folder: The model's artifact folder.
        model: The model's description.
        options: The request's options.
        data: The paths of the data set.
        limit: The number of random samples of each task, None for all.
        seed: The seed of the random samples.
        answers: The answers to each task.
        seconds: The duration.
        command: The command line.
    """

    name: str
    folder: str
    model: ModelDescription
    options: Options
    data: tuple[Path, ...]
    limit: int | None
    seed: int
    answers: tuple[Answers, ...]
    seconds: float
    command: str

    @cached_property
    def scored(self) -> tuple[Scored, ...]:
        """The answers to each task of `readable`, in the form that the metrics use."""
        return tuple(
            Scored(
                metrics.to_matrix(answers.truth, len(answers.task.labels)),
                metrics.to_matrix(answers.chosen, len(answers.task.labels)),
                answers.probabilities,
                answers.task.multiple,
            )
            for answers in self.readable
        )

    @cached_property
    def readable(self) -> tuple[Answers, ...]:
        """The answers to the tasks of which at least one item could be read."""
        return tuple(answers for answers in self.answers if answers.answered)

    @cached_property
    def estimates(self) -> Estimates:
        """The metrics with their intervals. Their `tasks` are those of `readable`."""
        return metrics.estimate(self.scored, groups=[answers.task.group for answers in self.readable])

    @property
    def grouped(self) -> dict[str | None, list[tuple[Answers, Mapping[str, Estimate]]]]:
        """The answers and metrics of each task of `readable`, by the groups of sets. Tasks that are no sets have no group."""
        grouped: dict[str | None, list[tuple[Answers, Mapping[str, Estimate]]]] = {}
        for answers, estimates in zip(self.readable, self.estimates.tasks, strict=True):
            grouped.setdefault(answers.task.group, []).append((answers, estimates))
        return {
            group: sorted(tasks, key=lambda pair: pair[0].task.name) if group is not None else tasks
            for group, tasks in sorted(grouped.items(), key=lambda pair: pair[0] or "")
        }

    @property
    def counts(self) -> dict[str, int]:
        """The numbers of tasks, items, answered items and items that could not be read."""
        items = sum(len(answers.task.items) for answers in self.answers)
        answered = sum(len(answers.answered) for answers in self.answers)
        return {"tasks": len(self.answers), "items": items, "answered": answered, "faults": items - answered}

    @property
    def has_confusion(self) -> bool:
        """Whether there is a confusion matrix. Several tasks, or several labels per item, have none."""
        return len(self.readable) == 1 and not self.readable[0].task.multiple


@dataclass(frozen=True)
class Mistake:
    """A wrong answer.

    Attributes:
        item: The item.
        truth: The names of its true labels.
        answer: The names of the chosen labels.
        probability: That of the best wrong label, or how certain the model was that a missing label is false.
    """

    item: Item
    truth: tuple[str, ...]
    answer: tuple[str, ...]
    probability: float


def find_mistakes(evaluation: Evaluation) -> list[Mistake]:
    """Return the wrong answers with the highest probabilities, at most MAX_MISTAKES."""
    wrong: list[tuple[float, Answers, int]] = []
    for answers, scored in zip(evaluation.readable, evaluation.scored, strict=True):
        extra, missing = scored.chosen & ~scored.truth, scored.truth & ~scored.chosen
        highest = np.where(extra, answers.probabilities, 0).max(axis=1)
        highest = np.where(extra.any(axis=1), highest, np.where(missing, 1 - answers.probabilities, 0).max(axis=1))
        wrong += [(float(highest[row]), answers, int(row)) for row in np.flatnonzero(~scored.right)]
    wrong.sort(key=lambda mistake: -mistake[0])
    return [
        Mistake(
            answers.task.items[answers.answered[row]],
            tuple(answers.task.labels[index].name for index in answers.truth[row]),
            tuple(answers.task.labels[index].name for index in answers.chosen[row]),
            probability,
        )
        for probability, answers, row in wrong[:MAX_MISTAKES]
    ]


def format_estimate(name: str, estimate: Estimate) -> str:
    """Format a metric with its interval: as a percentage, or as a number for the Brier score."""
    if name == "brier":
        return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"
    return f"{estimate.value:.1%} ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})".replace("%", " %")


def mean_title(group: str, tasks: int) -> str:
    """Return the title of the mean over a group of sets."""
    return f"mean of {tasks} sets{f': {group}' if group else ''}"


def join_labels(names: Sequence[str]) -> str:
    """Join label names for printing."""
    return " + ".join(names) or "none"


def shorten(text: str, characters: int) -> str:
    """Return a text on one line, with at most so many characters."""
    text = " ".join(text.split())
    return text if len(text) <= characters else text[: characters - 1] + "…"
