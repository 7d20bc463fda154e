"""Metrics of answers with bootstrap intervals.

    accuracy            share of the items with exactly the true labels
    balanced accuracy   mean recall over the classes that occur
    macro F1            mean F1 over the classes that occur in truth or answers
    micro F1            F1 of all (item, label) pairs together; only for several labels, as for one it equals the accuracy
    calibration error   expected calibration error, 15 bins of equal width (Guo et al. 2017, arXiv 1706.04599)
    Brier score         mean squared difference of probabilities and truth; for one label the sum over labels (Brier 1950,
                        0 to 2), for several their mean (0 to 1)

Every metric is computed from sums over items, weighted by how often each item counts. For the value itself that is once. For
the interval it is how often the item was drawn, for all resamples at once. A weight array is `(r, items)`, a metric `(r,)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

BINS = 15
RESAMPLES = 1_000
PERCENTILES = (2.5, 97.5)  # of a 95 % interval
MAX_WEIGHTS = 2_000_000  # in memory at a time: 16 MB

TITLES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "calibration_error": "calibration error",
    "brier": "Brier score",
}


@dataclass(frozen=True)
class Scored:
    """A task's answers to at least one item.

    Attributes:
        truth: `(items, labels) bool`.
        chosen: `(items, labels) bool`.
        probabilities: `(items, labels) float32`.
        multiple: Whether any number of labels may be true. Otherwise exactly one is true and exactly one was chosen.
    """

    truth: Bools
    chosen: Bools
    probabilities: npt.NDArray[np.float32]
    multiple: bool = False

    @property
    def right(self) -> Bools:
        """`(items,) bool`: whether an answer is exactly the truth."""
        return np.asarray((self.truth == self.chosen).all(axis=1))


def to_matrix(indices: Sequence[Sequence[int]], label_count: int) -> Bools:
    """Convert the label indices of each item to `(items, labels) bool`."""
    matrix = np.zeros((len(indices), label_count), dtype=bool)
    for row, item_indices in zip(matrix, indices, strict=True):
        row[list(item_indices)] = True
    return matrix


@dataclass(frozen=True)
class Estimate:
    """A metric's value and its 95 % interval.

    Attributes:
        value: The metric of all items.
        low: The lower end of the interval.
        high: The upper end of the interval.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimates:
    """The metrics of some tasks.

    The overall calibration error is that of all tasks' claims in common bins. A task of few samples has a large error only by
    chance.

    Attributes:
        overall: Each metric's mean over the tasks that have it.
        tasks: The metrics of each task, in order.
        groups: The same means as `overall` over the tasks of each group, by its name.
    """

    overall: Mapping[str, Estimate]
    tasks: tuple[Mapping[str, Estimate], ...]
    groups: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)


def estimate(
    tasks: Sequence[Scored], *, groups: Sequence[str | None] = (), resamples: int = RESAMPLES, seed: int = 0
) -> Estimates:
    """Compute the metrics with percentile bootstrap intervals (Efron 1979; Efron & Tibshirani 1993, chapter 13).

    Items are resampled inside each task. The overall interval therefore covers other items of these tasks, not other tasks.
    A resample has fewer different items than the data. With few items per class, the interval of the macro F1 is therefore
    biased downwards, and that of the calibration error upwards.

    Args:
        tasks: The answers to each task.
        groups: The group of each task, if any task has one. None for a task without a group.
        resamples: The number of resamples.
        seed: The seed of the resamples.
    """
    task_estimates = []
    points: list[dict[str, Floats]] = []
    draws: list[dict[str, Floats]] = []
    for task, stream in zip(tasks, np.random.SeedSequence(seed).spawn(len(tasks)), strict=True):
        table = _Table.from_scored(task)
        points.append(table.metrics(np.ones((1, table.items))))
        draws.append(_resampled(table, resamples, np.random.default_rng(stream)))
        task_estimates.append({name: _estimate(points[-1][name], draws[-1][name]) for name in points[-1] if name in TITLES})
    by_group: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        if group is not None:
            by_group.setdefault(group, []).append(index)
    return Estimates(
        overall=_means(points, draws),
        tasks=tuple(task_estimates),
        groups={
            group: _means([points[index] for index in indices], [draws[index] for index in indices])
            for group, indices in by_group.items()
        },
    )


def _means(points: Sequence[Mapping[str, Floats]], draws: Sequence[Mapping[str, Floats]]) -> dict[str, Estimate]:
    """Return each metric over the tasks that have it, with its interval."""
    means = {}
    for name in TITLES:
        task_points = [point for point in points if name in point]
        task_draws = [draw for draw in draws if name in draw]
        if task_points:
            means[name] = _estimate(_over_tasks(name, task_points), _over_tasks(name, task_draws))
    return means


def _over_tasks(name: str, tasks: Sequence[Mapping[str, Floats]]) -> Floats:
    """Return the overall value of a metric, `(r,)`."""
    if name != "calibration_error":
        return np.asarray(np.mean([task[name] for task in tasks], axis=0))
    surplus, claim_count = (np.sum([task[part] for task in tasks], axis=0) for part in ("surplus", "claims"))
    return np.asarray(np.abs(surplus).sum(axis=1) / claim_count)


def _estimate(value: Floats, drawn: Floats) -> Estimate:
    low, high = np.percentile(drawn, PERCENTILES)
    return Estimate(float(value[0]), float(low), float(high))


def _resampled(table: _Table, resamples: int, random: np.random.Generator) -> dict[str, Floats]:
    """Return each metric, `(resamples,)`, over items drawn with replacement."""
    chunk = max(1, MAX_WEIGHTS // table.items)
    parts = []
    for start in range(0, resamples, chunk):
        count = min(chunk, resamples - start)
        draws = random.integers(0, table.items, (count, table.items)) + table.items * np.arange(count)[:, None]
        weights = np.bincount(draws.ravel(), minlength=count * table.items).reshape(count, table.items)
        parts.append(table.metrics(weights.astype(np.float64)))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@dataclass(frozen=True)
class _Groups:
    """Triples of item, group and value, sorted by group, so that each group's sum is that of a slice.

    Attributes:
        items: The item of each triple.
        starts: The index of each present group's first triple.
        present: The groups that have triples.
        values: The value of each triple. None stands for 1.
        count: The number of groups.
    """

    items: Ints
    starts: Ints
    present: Ints
    values: Floats | None
    count: int

    @classmethod
    def sort(cls, items: Ints, groups: Ints, count: int, values: Floats | None = None) -> _Groups:
        order = np.argsort(groups, kind="stable")
        present, starts = np.unique(groups[order], return_index=True)
        return cls(items[order], starts, present, None if values is None else values[order], count)

    def sums(self, weights: Floats) -> Floats:
        """Return `(r, groups)`: the sum of weight times value in each group, for weights `(r, items)`."""
        sums = np.zeros((len(weights), self.count))
        if len(self.present):
            parts = weights[:, self.items]
            if self.values is not None:
                parts *= self.values
            sums[:, self.present] = np.add.reduceat(parts, self.starts, axis=1)
        return sums


@dataclass(frozen=True)
class _Table:
    """What a task's metrics need, computed once for all resamples.

    Attributes:
        items: The number of items.
        multiple: Whether any number of labels may be true.
        truths: The true labels of the items.
        answers: The chosen labels of the items.
        hits: The labels that are true and chosen.
        surplus: Probability minus truth of each claim, by the bins of the calibration error.
        claims_per_item: The number of claims that an item makes.
        right: `(items,)`: 1 for a right answer.
        squares: `(items,)`: the Brier score of each item.
    """

    items: int
    multiple: bool
    truths: _Groups
    answers: _Groups
    hits: _Groups
    surplus: _Groups
    claims_per_item: int
    right: Floats
    squares: Floats

    @classmethod
    def from_scored(cls, task: Scored) -> _Table:
        count, labels = task.truth.shape
        item, confidence, true = claims(task)
        squares = ((task.probabilities.astype(np.float64) - task.truth) ** 2).sum(axis=1)
        return cls(
            items=count,
            multiple=task.multiple,
            truths=_Groups.sort(*_pairs(task.truth), labels),
            answers=_Groups.sort(*_pairs(task.chosen), labels),
            hits=_Groups.sort(*_pairs(task.truth & task.chosen), labels),
            surplus=_Groups.sort(item, to_bins(confidence), BINS, confidence - true),
            claims_per_item=len(item) // count,
            right=task.right.astype(np.float64),
            squares=squares / labels if task.multiple else squares,
        )

    def metrics(self, weights: Floats) -> dict[str, Floats]:
        """Return each metric, `(r,)`, for weights `(r, items)` that sum to the number of items.

        The parts of the calibration error are returned as well: `surplus` `(r, BINS)` and `claims` `(r,)`.
        """
        truths, answers, hits = (groups.sums(weights) for groups in (self.truths, self.answers, self.hits))
        metrics = {"accuracy": weights @ self.right / self.items}
        if not self.multiple:
            metrics["balanced_accuracy"] = _mean(divide(hits, truths), truths > 0)
        metrics["macro_f1"] = _mean(divide(2 * hits, truths + answers), truths + answers > 0)
        if self.multiple:
            metrics["micro_f1"] = divide(2 * hits.sum(axis=1), truths.sum(axis=1) + answers.sum(axis=1))
        surplus, claim_count = self.surplus.sums(weights), self.items * self.claims_per_item
        metrics["calibration_error"] = np.abs(surplus).sum(axis=1) / claim_count
        metrics |= {"surplus": surplus, "claims": np.full(len(weights), float(claim_count))}
        metrics["brier"] = weights @ self.squares / self.items
        return metrics


def claims(task: Scored) -> tuple[Ints, Floats, Floats]:
    """Return what the probabilities claim: `(claims,)` each of item, probability and truth (0 or 1).

    For one label per item, a claim is the item's chosen label, as in Guo et al. For several it is each pair of item and label.
    """
    item, label = _pairs(np.ones_like(task.truth) if task.multiple else task.chosen)
    return item, task.probabilities[item, label].astype(np.float64), task.truth[item, label].astype(np.float64)


def _pairs(matrix: Bools) -> tuple[Ints, Ints]:
    """Return the item and the label of each True in `(items, labels) bool`."""
    items, labels = np.nonzero(matrix)
    return items, labels


def to_bins(probabilities: Floats) -> Ints:
    """Return the bin of each probability: bin m of M holds (m / M, (m + 1) / M], and the first bin holds 0."""
    return np.asarray(np.clip(np.ceil(probabilities * BINS) - 1, 0, BINS - 1), dtype=np.intp)


def divide(numerator: Floats, denominator: Floats) -> Floats:
    """Divide, with 0 for a division by zero, as scikit-learn does."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def _mean(values: Floats, included: Bools) -> Floats:
    """Return the mean of the included values: `(r, n)` to `(r,)`."""
    return divide((values * included).sum(axis=1), included.sum(axis=1).astype(np.float64))
