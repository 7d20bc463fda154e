"""The results of a job's samples: of one part of them, and of all parts together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pigeonhole.contract.classification import LabelScore, SampleFault, Usage
from pigeonhole.contract.messages import ChunkResult, ErrorReply, Span
from pigeonhole.jobs.job import Part

MAX_WARNINGS = 100  # of a job: ten thousand texts that are all too long would give ten thousand equal warnings


@dataclass(frozen=True)
class PartResults:
    """The results of a part's samples.

    Attributes:
        result: The results of the samples, one by one.
        error: The one error of all samples, in place of `result`.
        is_abandoned: Whether the samples failed because every attempt at them failed. It stands beside the error, because
            other failures share the error's code, and its message may change while a part is stored.
    """

    result: ChunkResult | None = None
    error: ErrorReply | None = None
    is_abandoned: bool = False

    def to_part(self, span: Span) -> Part:
        """Count how many samples of the part's span succeeded and failed. The part has no results yet."""
        failed = sum(prediction is None for prediction in self.result.predictions) if self.result else len(span)
        return Part(span, len(span) - failed, failed)


@dataclass
class JobResults:
    """The results of all samples of a job, in the order of the samples.

    Attributes:
        predictions: The labels of each sample, best first. None if the sample has an error or wasn't classified.
        scores: The scores of each sample, None if there are none.
        errors: Why samples have no prediction.
        warnings: What was unusual, each text once and at most `MAX_WARNINGS` of them.
        has_scores: Whether any part has scores.
        custom_ids: The caller's name of each sample, None if no sample has one.
        input_tokens: Tokens and image patches of the samples, and once those of labels and instruction.
        output_tokens: Tokens of the predictions.
        inference_ms: Milliseconds of inference.
    """

    predictions: list[list[str] | None]
    scores: list[list[LabelScore] | None]
    errors: list[SampleFault] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    has_scores: bool = False
    custom_ids: Sequence[str | None] | None = None
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


def collect(
    total: int, parts: Sequence[tuple[Span, PartResults]], custom_ids: Sequence[str | None] | None = None
) -> JobResults:
    """Collect the results of parts.

    Every part encodes the labels and the instruction. Their tokens count once.

    Args:
        total: The number of the job's samples.
        parts: The results of each part, with the part's span.
        custom_ids: The caller's name of each sample, None if no sample has one.
    """
    job_results = JobResults([None] * total, [None] * total, custom_ids=custom_ids)
    label_tokens, warnings = 0, dict[str, None]()  # a dict as an ordered set
    for span, part in parts:
        if part.result is None:
            job_results.errors += _repeat_error(part.error, span)
            continue
        result = part.result
        job_results.predictions[span.start : span.stop] = result.predictions
        if result.scores is not None:
            job_results.has_scores = True
            job_results.scores[span.start : span.stop] = result.scores
        job_results.errors += result.errors
        warnings.update(dict.fromkeys(result.warnings))
        job_results.input_tokens += result.input_tokens - result.label_tokens
        job_results.output_tokens += result.output_tokens
        job_results.inference_ms += result.inference_ms
        label_tokens = max(label_tokens, result.label_tokens)
    job_results.input_tokens += label_tokens
    job_results.warnings = _limit(list(warnings))
    if custom_ids:
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
