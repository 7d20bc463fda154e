"""What the client returns: a result for each sample, in the order of the samples."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import overload

from pigeonhole.contract.classification import LabelScore, SampleFault, Usage
from pigeonhole.contract.jobs import BulkResults, JobInfo
from pigeonhole.contract.questions import NamedPredictions, NamedScores


@dataclass(frozen=True)
class Result:
    """The result of one sample.

    Attributes:
        index: The position of the sample, from 0.
        labels: The chosen labels, best first. Empty if the sample has an error, or if no label reaches the threshold.
        scores: The scores of the labels, best first. None without `scores`, or if the sample has an error.
        error: Why the sample can't be classified, None if it can.
    """

    index: int
    labels: tuple[str, ...]
    scores: tuple[LabelScore, ...] | None = None
    error: SampleFault | None = None

    @property
    def label(self) -> str | None:
        """The best of the chosen labels, None if there is none."""
        return self.labels[0] if self.labels else None

    @property
    def probability(self) -> float | None:
        """The probability of `label`, None if there is no label or no score."""
        return self.probabilities[0] if self.probabilities else None

    @property
    def probabilities(self) -> tuple[float, ...]:
        """The probability of each of `labels`. Empty without `scores`."""
        scores = {score.label: score.probability for score in self.scores or ()}
        return tuple(scores[label] for label in self.labels if label in scores)


@dataclass(frozen=True)
class Results(Sequence[Result]):
    """The results of samples: a sequence of `Result`.

    Attributes:
        items: The results, in the order of the samples.
        warnings: What the caller should know about samples and labels.
        usage: What the requests cost together.
        log_ids: Name the requests in the logs of the service.
    """

    items: tuple[Result, ...]
    warnings: tuple[str, ...] = ()
    usage: Usage = field(default_factory=lambda: sum_usage(()))
    log_ids: tuple[str, ...] = ()

    @property
    def labels(self) -> list[str | None]:
        """The best label of each sample."""
        return [result.label for result in self.items]

    @property
    def errors(self) -> list[SampleFault]:
        """The errors of the samples that can't be classified."""
        return [result.error for result in self.items if result.error is not None]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Result]:
        return iter(self.items)

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Result, ...]: ...
    def __getitem__(self, index: int | slice) -> Result | tuple[Result, ...]:
        return self.items[index]


@dataclass(frozen=True)
class Job:
    """A job.

    Attributes:
        info: Its state: id, status, times and progress.
        results: The results of its samples. None until it has ended with results, and where it has questions.
        answers: The results of each of its questions, by its name. None until it has ended, and where it has no questions.
        files: Where the results of a bulk job are, once it has ended.
    """

    info: JobInfo
    results: Results | None = None
    answers: Mapping[str, Results] | None = None
    files: BulkResults | None = None

    @property
    def id(self) -> str:
        """The id of the job."""
        return self.info.id


def sum_usage(usages: Sequence[Usage]) -> Usage:
    """Return what several requests cost together."""
    return Usage(**{name: sum(getattr(usage, name) for usage in usages) for name in Usage.model_fields})


def to_results(
    predictions: Sequence[str | list[str] | None],
    scores: Sequence[list[LabelScore] | None] | None,
    faults: Sequence[SampleFault] | None,
    indices: Sequence[int],
) -> list[Result]:
    """Build the results of an answer.

    Args:
        predictions: The labels of each sample of the request.
        scores: The scores of each sample, if there are scores.
        faults: The faults of samples, by their position in the request.
        indices: The position of each sample among those of the caller.
    """
    errors = {fault.index: fault.model_copy(update={"index": indices[fault.index]}) for fault in faults or ()}
    return [
        Result(
            index=index,
            labels=() if labels is None else (labels,) if isinstance(labels, str) else tuple(labels),
            scores=None if scores is None or (found := scores[position]) is None else tuple(found),
            error=errors.get(position),
        )
        for position, (index, labels) in enumerate(zip(indices, predictions, strict=True))
    ]


def to_named_results(
    predictions: NamedPredictions, scores: NamedScores | None, faults: Sequence[SampleFault] | None, indices: Sequence[int]
) -> dict[str, list[Result]]:
    """Build the results of each question of an answer. See `to_results`."""
    return {name: to_results(labels, (scores or {}).get(name), faults, indices) for name, labels in predictions.items()}


def renumber_warnings(warnings: Sequence[str] | None, indices: Sequence[int]) -> list[str]:
    """Name samples by their position among those of the caller, and not by that in the request."""
    return [
        re.sub(r"^dataset\.(\d+)\b", lambda place: f"dataset.{indices[int(place[1])]}", warning) for warning in warnings or ()
    ]
