"""What one model answered on some tasks: the figures of it, and its surest mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pigeonhole.contract.messages import ModelDescription
from pigeonhole.inference.classifier import Options
from pigeonhole_cli.evaluation import metrics
from pigeonhole_cli.evaluation.data import Item
from pigeonhole_cli.evaluation.metrics import Estimate, Estimates, Scored
from pigeonhole_cli.evaluation.run import Answers

SHOWN_MISTAKES = 24


@dataclass(frozen=True)
class Evaluation:
    """One model's answers, and what led to them. `name`: the model's, among those that are compared; `seconds`: of running."""

    name: str
    folder: str
    model: ModelDescription
    options: Options
    data: str
    limit: int | None
    seed: int
    answers: tuple[Answers, ...]
    seconds: float
    command: str

    @cached_property
    def scored(self) -> tuple[Scored, ...]:
        """The answers of each of `readable`, as the metrics take them."""
        return tuple(
            Scored(
                metrics.matrix(it.truth, len(it.task.labels)),
                metrics.matrix(it.chosen, len(it.task.labels)),
                it.probabilities,
                it.task.multiple,
            )
            for it in self.readable
        )

    @cached_property
    def readable(self) -> tuple[Answers, ...]:
        """The tasks of which at least one item could be read."""
        return tuple(it for it in self.answers if it.answered)

    @cached_property
    def estimates(self) -> Estimates:
        """Metrics and intervals; `tasks` are those of `readable`."""
        return metrics.estimate(self.scored)

    @property
    def counts(self) -> dict[str, int]:
        """Tasks, items, and how many of the items were answered or couldn't be read."""
        items, answered = sum(len(it.task.items) for it in self.answers), sum(len(it.answered) for it in self.answers)
        return {"tasks": len(self.answers), "items": items, "answered": answered, "faults": items - answered}

    @property
    def has_confusion(self) -> bool:
        """Whether there is a confusion matrix: several labels at once, and several tasks, have none."""
        return len(self.readable) == 1 and not self.readable[0].task.multiple


@dataclass(frozen=True)
class Mistake:
    """A wrong answer. `probability`: that of the best wrong label; where labels are only missing, how sure it was of that."""

    item: Item
    truth: tuple[str, ...]
    answer: tuple[str, ...]
    probability: float


def mistakes(evaluation: Evaluation) -> list[Mistake]:
    """The wrong answers of which the model was surest, at most SHOWN_MISTAKES."""
    found: list[tuple[float, Answers, int]] = []
    for it, scored in zip(evaluation.readable, evaluation.scored, strict=True):
        extra, missing = scored.chosen & ~scored.truth, scored.truth & ~scored.chosen
        surest = np.where(extra, it.probabilities, 0).max(axis=1)
        surest = np.where(extra.any(axis=1), surest, np.where(missing, 1 - it.probabilities, 0).max(axis=1))
        found += [(float(surest[row]), it, int(row)) for row in np.flatnonzero(~scored.right)]
    found.sort(key=lambda each: -each[0])
    return [
        Mistake(
            it.task.items[it.answered[row]],
            tuple(it.task.labels[index].name for index in it.truth[row]),
            tuple(it.task.labels[index].name for index in it.chosen[row]),
            probability,
        )
        for probability, it, row in found[:SHOWN_MISTAKES]
    ]


def shown(name: str, estimate: Estimate) -> str:
    """A metric with its interval, for people: a percentage, but for the Brier score."""
    if name == "brier":
        return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"
    return f"{estimate.value:.1%} ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})".replace("%", " %")


def joined(names: Sequence[str]) -> str:
    """Labels, for people."""
    return " + ".join(names) or "none"


def cut(text: str, characters: int) -> str:
    """A text on one line, cut to a length."""
    text = " ".join(text.split())
    return text if len(text) <= characters else text[: characters - 1] + "…"
