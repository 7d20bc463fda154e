"""How good answers are: metrics with bootstrap intervals, calibration, confusion. numpy only, and pure.

Every metric is computed from sums over items, weighted by how often each item counts: once for the value itself; for the
interval as often as it was drawn, with all resamples at once. A weight array is (r, items), a metric (r,).

    accuracy            items whose labels are all right, none missing and none too many
    balanced accuracy   mean recall over the classes that occur
    macro F1            mean F1 over the classes that occur in truth or answers
    micro F1            F1 of all (item, label) pairs together; with several labels only, as for one it is the accuracy
    calibration error   expected calibration error, 15 bins of equal width (Guo et al. 2017, arXiv 1706.04599)
    Brier score         mean squared distance of probabilities and truth: the sum over labels for one label (Brier 1950, 0..2),
                        their mean for several (0..1)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

BINS = 15
RESAMPLES = 1_000
LEVEL = (2.5, 97.5)  # percentiles
WEIGHTS_AT_ONCE = 2_000_000  # 16 MB of them

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
    """A task's answers. `truth`, `chosen`: bool (items, labels); `probabilities`: (items, labels). At least one item.

    `multiple`: any number of labels may be true; else exactly one is, and exactly one was chosen.
    """

    truth: Bools
    chosen: Bools
    probabilities: npt.NDArray[np.float32]
    multiple: bool = False

    @property
    def right(self) -> Bools:
        """(items,), whether an answer is exactly the truth."""
        return np.asarray((self.truth == self.chosen).all(axis=1))


def matrix(indices: Sequence[Sequence[int]], labels: int) -> Bools:
    """Label indices per item -> bool (items, labels)."""
    made = np.zeros((len(indices), labels), dtype=bool)
    for row, of_item in zip(made, indices, strict=True):
        row[list(of_item)] = True
    return made


@dataclass(frozen=True)
class Estimate:
    """A metric's value and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimates:
    """`overall`: each metric's mean over the tasks that have it; `tasks`: each task's own, in their order.

    The overall calibration error is that of all tasks' claims in the same bins: a task of few samples has one of its own by
    chance alone.
    """

    overall: Mapping[str, Estimate]
    tasks: tuple[Mapping[str, Estimate], ...]


def estimate(tasks: Sequence[Scored], *, resamples: int = RESAMPLES, seed: int = 0) -> Estimates:
    """Measure tasks, with percentile bootstrap intervals (Efron 1979; Efron & Tibshirani 1993, chapter 13).

    Items are drawn anew inside each task, so the overall interval says what other items would give, not what other tasks would.
    A resample has fewer different items than the data, so with few per class its macro F1 leans low and its calibration error
    high, and so do their intervals.
    """
    of_tasks = []
    points: list[dict[str, Floats]] = []
    draws: list[dict[str, Floats]] = []
    for task, stream in zip(tasks, np.random.SeedSequence(seed).spawn(len(tasks)), strict=True):
        table = _Table.of(task)
        points.append(table.metrics(np.ones((1, table.items))))
        draws.append(_resampled(table, resamples, np.random.default_rng(stream)))
        of_tasks.append({name: _estimate(points[-1][name], draws[-1][name]) for name in points[-1] if name in TITLES})
    overall = {}
    for name in TITLES:
        of_name = [[each for each in found if name in each] for found in (points, draws)]
        if of_name[0]:
            overall[name] = _estimate(*(_over_tasks(name, each) for each in of_name))
    return Estimates(overall, tuple(of_tasks))


def _over_tasks(name: str, tasks: Sequence[Mapping[str, Floats]]) -> Floats:
    """A metric of all tasks that have it together, (r,)."""
    if name != "calibration_error":
        return np.asarray(np.mean([each[name] for each in tasks], axis=0))
    surplus, claims = (np.sum([each[part] for each in tasks], axis=0) for part in ("surplus", "claims"))
    return np.asarray(np.abs(surplus).sum(axis=1) / claims)


def _estimate(value: Floats, drawn: Floats) -> Estimate:
    low, high = np.percentile(drawn, LEVEL)
    return Estimate(float(value[0]), float(low), float(high))


def _resampled(table: _Table, resamples: int, random: np.random.Generator) -> dict[str, Floats]:
    """Each metric (resamples,), over items drawn with repeats."""
    at_once = max(1, WEIGHTS_AT_ONCE // table.items)
    parts = []
    for start in range(0, resamples, at_once):
        count = min(at_once, resamples - start)
        draws = random.integers(0, table.items, (count, table.items)) + table.items * np.arange(count)[:, None]
        weights = np.bincount(draws.ravel(), minlength=count * table.items).reshape(count, table.items)
        parts.append(table.metrics(weights.astype(np.float64)))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@dataclass(frozen=True)
class _Groups:
    """(item, group, value) triples in the order of their groups, so that a group's sum is a slice's."""

    items: Ints
    starts: Ints
    present: Ints
    values: Floats | None
    count: int

    @classmethod
    def of(cls, items: Ints, groups: Ints, count: int, values: Floats | None = None) -> _Groups:
        order = np.argsort(groups, kind="stable")
        present, starts = np.unique(groups[order], return_index=True)
        return cls(items[order], starts, present, None if values is None else values[order], count)

    def sums(self, weights: Floats) -> Floats:
        """Weights (r, items) -> (r, groups), the sum of weight times value in each group."""
        found = np.zeros((len(weights), self.count))
        if len(self.present):
            parts = weights[:, self.items]
            if self.values is not None:
                parts *= self.values
            found[:, self.present] = np.add.reduceat(parts, self.starts, axis=1)
        return found


@dataclass(frozen=True)
class _Table:
    """What the metrics of a task need, once for all resamples. The groups are labels, or the bins of the calibration error."""

    items: int
    multiple: bool
    truths: _Groups
    answers: _Groups
    hits: _Groups
    surplus: _Groups  # of each bin: probability minus truth, summed
    pairs: int  # that an item has in the bins
    right: Floats
    squares: Floats

    @classmethod
    def of(cls, task: Scored) -> _Table:
        count, labels = task.truth.shape
        item, confidence, true = _claims(task)
        squares = ((task.probabilities.astype(np.float64) - task.truth) ** 2).sum(axis=1)
        return cls(
            items=count,
            multiple=task.multiple,
            truths=_Groups.of(*_pairs(task.truth), labels),
            answers=_Groups.of(*_pairs(task.chosen), labels),
            hits=_Groups.of(*_pairs(task.truth & task.chosen), labels),
            surplus=_Groups.of(item, _bin(confidence), BINS, confidence - true),
            pairs=len(item) // count,
            right=task.right.astype(np.float64),
            squares=squares / labels if task.multiple else squares,
        )

    def metrics(self, weights: Floats) -> dict[str, Floats]:
        """Each metric, (r,), for weights (r, items) that sum to the number of items.

        And what the calibration error is made of: `surplus` (r, BINS) and `claims` (r,).
        """
        truths, answers, hits = (groups.sums(weights) for groups in (self.truths, self.answers, self.hits))
        found = {"accuracy": weights @ self.right / self.items}
        if not self.multiple:
            found["balanced_accuracy"] = _mean(_ratio(hits, truths), truths > 0)
        found["macro_f1"] = _mean(_ratio(2 * hits, truths + answers), truths + answers > 0)
        if self.multiple:
            found["micro_f1"] = _ratio(2 * hits.sum(axis=1), truths.sum(axis=1) + answers.sum(axis=1))
        surplus, claims = self.surplus.sums(weights), self.items * self.pairs
        found["calibration_error"] = np.abs(surplus).sum(axis=1) / claims
        found |= {"surplus": surplus, "claims": np.full(len(weights), float(claims))}
        found["brier"] = weights @ self.squares / self.items
        return found


def _claims(task: Scored) -> tuple[Ints, Floats, Floats]:
    """What the probabilities claim, and whether it is so: (claims,) item, probability and truth (0 or 1).

    One label: each item's chosen one, as in Guo et al. Several: each pair of item and label.
    """
    item, label = _pairs(np.ones_like(task.truth) if task.multiple else task.chosen)
    return item, task.probabilities[item, label].astype(np.float64), task.truth[item, label].astype(np.float64)


def _pairs(of: Bools) -> tuple[Ints, Ints]:
    """Bool (items, labels) -> the item and the label of each that is true."""
    items, labels = np.nonzero(of)
    return items, labels


def _bin(probabilities: Floats) -> Ints:
    """The bin of each probability: bin m of M holds those in (m / M, (m + 1) / M], and the first one 0, too."""
    return np.asarray(np.clip(np.ceil(probabilities * BINS) - 1, 0, BINS - 1), dtype=np.intp)


def _ratio(over: Floats, under: Floats) -> Floats:
    """A quotient that is 0 where nothing is to be divided by, as scikit-learn has it."""
    return np.divide(over, under, out=np.zeros_like(over), where=under > 0)


def _mean(values: Floats, counting: Bools) -> Floats:
    """(r, n) -> (r,), the mean over those that count."""
    return _ratio((values * counting).sum(axis=1), counting.sum(axis=1).astype(np.float64))


@dataclass(frozen=True)
class Reliability:
    """The bins behind the calibration error, (BINS,) each: claims, their mean probability, the part of them that is true."""

    counts: Ints
    confidence: Floats
    accuracy: Floats


def reliability(tasks: Sequence[Scored]) -> Reliability:
    """Put the claims of all tasks into bins of equal width."""
    claims = [_claims(task) for task in tasks]
    confidence = np.concatenate([each for _, each, _ in claims])
    true = np.concatenate([each for _, _, each in claims])
    bins = _bin(confidence)
    counts = np.bincount(bins, minlength=BINS)
    claims_of = counts.astype(np.float64)
    means = [_ratio(np.asarray(np.bincount(bins, each, BINS), np.float64), claims_of) for each in (confidence, true)]
    return Reliability(counts, means[0], means[1])


@dataclass(frozen=True)
class PerClass:
    """(labels,) each; 0 where nothing is to be divided by. `support`: items of which the label is true."""

    precision: Floats
    recall: Floats
    f1: Floats
    support: Ints


def per_class(task: Scored) -> PerClass:
    """Precision, recall, F1 and support of each label."""
    sets = (task.truth & task.chosen, task.truth, task.chosen)
    hits, truths, answers = (each.sum(axis=0, dtype=np.float64) for each in sets)
    return PerClass(
        _ratio(hits, answers), _ratio(hits, truths), _ratio(2 * hits, truths + answers), task.truth.sum(axis=0, dtype=np.intp)
    )


def confusion(task: Scored) -> Ints:
    """Count answers of a task of one label per item: (labels, labels), truth in rows, answers in columns."""
    labels = task.truth.shape[1]
    pairs = task.truth.argmax(axis=1) * labels + task.chosen.argmax(axis=1)
    return np.bincount(pairs, minlength=labels * labels).reshape(labels, labels)
