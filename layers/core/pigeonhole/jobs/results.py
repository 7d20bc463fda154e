"""The results of a job's samples: of one part of them, and of all parts together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pigeonhole.contract.classification import ClassificationRequest, LabelScore, SampleFault, Usage
from pigeonhole.contract.commands import ChunkResult, ErrorReply
from pigeonhole.contract.questions import AnyRequest
from pigeonhole.contract.spans import Span
from pigeonhole.jobs.job import Part

MAX_WARNINGS = 100  # of a job: ten thousand texts that are all too long would give ten thousand equal warnings


@dataclass(frozen=True)
class PartResults:
    """The results of a part's samples.

    Attributes:
        results: The results of the samples, one by one, for each question. A request with labels is one question.
        error: The one error of all samples, in place of `results`.
        is_abandoned: Whether the samples failed because every attempt at them failed. It stands beside the error, because
            other failures share the error's code, and its message may change while a part is stored.
    """

    results: tuple[ChunkResult, ...] = ()
    error: ErrorReply | None = None
    is_abandoned: bool = False

    def to_part(self, span: Span) -> Part:
        """Count how many samples of the part's span succeeded and failed. The part has no results yet."""
        # A sample that can't be read has no prediction for any question.
        failed = sum(prediction is None for prediction in self.results[0].predictions) if self.results else len(span)
        return Part(span, len(span) - failed, failed)


@dataclass(frozen=True)
class ResultNames:
    """What the caller calls the samples and the questions of a job.

    Attributes:
        custom_ids: The name of each sample, None if no sample has one.
        questions: The name of each question, and whether its predictions are arrays of labels. None if the request has labels.
    """

    custom_ids: Sequence[str | None] | None = None
    questions: Mapping[str, bool] | None = None

    @classmethod
    def from_request(cls, request: AnyRequest) -> ResultNames:
        """Return the names that a request gives."""
        if isinstance(request, ClassificationRequest):
            return cls(request.custom_ids)
        return cls(request.custom_ids, {name: asked.multiple_labels for name, asked in request.questions.items()})


@dataclass(frozen=True)
class Answers:
    """The answers to one question, in the order of the samples.

    Attributes:
        predictions: The labels of each sample, best first. None if the sample has an error or wasn't classified.
        scores: The scores of each sample, None if there are none.
    """

    predictions: list[list[str] | None]
    scores: list[list[LabelScore] | None]


@dataclass
class JobResults:
    """The results of all samples of a job, in the order of the samples.

    Attributes:
        answers: The answers to each question. A request with labels is one question.
        names: What the caller calls the samples and the questions.
        errors: Why samples have no prediction.
        warnings: What was unusual, each text once and at most `MAX_WARNINGS` of them.
        has_scores: Whether any part has scores.
        input_tokens: Tokens and image patches of the samples, and once those of labels and instruction.
        output_tokens: Tokens of the predictions.
        inference_ms: Milliseconds of inference.
    """

    answers: list[Answers]
    names: ResultNames = ResultNames()
    errors: list[SampleFault] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    has_scores: bool = False
    input_tokens: int = 0
    output_tokens: int = 0
    inference_ms: int = 0

    @property
    def usage(self) -> Usage:
        """The contract's `_usage`."""
        return Usage(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            inference_time_tokens=self.inference_ms,
            total_tokens=self.input_tokens + self.output_tokens + self.inference_ms,
        )


def collect(total: int, parts: Sequence[tuple[Span, PartResults]], names: ResultNames) -> JobResults:
    """Collect the results of parts.

    Every part encodes the labels and the instruction. Their tokens count once, and those of the samples count once for all
    questions.

    Args:
        total: The number of the job's samples.
        parts: The results of each part, with the part's span.
        names: What the caller calls the samples and the questions.
    """
    questions = 1 if names.questions is None else len(names.questions)
    job_results = JobResults([Answers([None] * total, [None] * total) for _ in range(questions)], names)
    label_tokens, warnings = 0, dict[str, None]()  # a dict as an ordered set
    for span, part in parts:
        if not part.results:
            job_results.errors += _repeat_error(part.error, span)
            continue
        for answers, result in zip(job_results.answers, part.results, strict=True):
            answers.predictions[span.start : span.stop] = result.predictions
            if result.scores is not None:
                job_results.has_scores = True
                answers.scores[span.start : span.stop] = result.scores
            warnings.update(dict.fromkeys(result.warnings))
            job_results.output_tokens += result.output_tokens
        first = part.results[0]
        job_results.errors += first.errors
        job_results.input_tokens += first.input_tokens - first.label_tokens
        job_results.inference_ms += first.inference_ms
        label_tokens = max(label_tokens, sum(result.label_tokens for result in part.results))
    job_results.input_tokens += label_tokens
    job_results.warnings = _limit(list(warnings))
    if custom_ids := names.custom_ids:
        job_results.errors = [fault.model_copy(update={"custom_id": custom_ids[fault.index]}) for fault in job_results.errors]
    return job_results


def _limit(warnings: list[str]) -> list[str]:
    left_out = len(warnings) - MAX_WARNINGS
    return warnings if left_out <= 0 else [*warnings[:MAX_WARNINGS], f"and {left_out} more warnings"]


def _repeat_error(error: ErrorReply | None, span: Span) -> Iterator[SampleFault]:
    error = error or ErrorReply(code="internal_error", message="The samples could not be classified.")
    return (SampleFault(index=index, code=error.code, message=error.message) for index in range(span.start, span.stop))


def prediction(labels: list[str] | None, *, multiple: bool) -> str | list[str] | None:
    """Shape the prediction of one sample.

    Args:
        labels: The sample's labels, best first. None if it has no prediction, empty if no label reaches the threshold.
        multiple: Whether all labels are wanted, or the best one only.
    """
    if labels is None or multiple:
        return labels
    return labels[0] if labels else None
