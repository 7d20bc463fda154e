"""Shape what the classifier returns as the result of a command."""

from __future__ import annotations

from collections.abc import Sequence

from pigeonhole.contract.classification import LabelScore, SampleFault
from pigeonhole.contract.commands import ChunkResult
from pigeonhole.contract.questions import AnyRequest
from pigeonhole.errors import PigeonholeError
from pigeonhole.inference.classifier import ClassifierResult, Question
from pigeonhole.inference.labels.label_class import LabelClass
from pigeonhole.inference.scoring.log_odds import RankedLabel


def to_chunk_result(
    request: AnyRequest,
    question: Question,
    readable: Sequence[int],
    faults: dict[int, PigeonholeError],
    classified: ClassifierResult,
    first_index: int,
) -> ChunkResult:
    """Put what the classifier returned for the readable samples in the request's order.

    Args:
        request: The request, with the samples of this group only.
        question: The labels and options of the request, or of one of its questions.
        readable: The indices of the samples that were classified.
        faults: The errors of the other samples, by index.
        classified: What the classifier returned for the readable samples.
        first_index: The index of the group's first sample in the request of the caller.
    """
    count, labels = len(request.dataset), question.labels
    predictions: list[list[str] | None] = [None] * count
    scores: list[list[LabelScore] | None] = [None] * count
    for index, chosen, ranked in zip(readable, classified.chosen, classified.ranked, strict=True):
        predictions[index] = [labels[label.index].name for label in chosen]
        scores[index] = [_to_score(labels, label) for label in ranked[: question.options.top_k]]
    return ChunkResult(
        predictions=predictions,
        scores=scores if request.scores else None,
        errors=[SampleFault(index=first_index + i, code=fault.code, message=fault.message) for i, fault in faults.items()],
        warnings=classified.warnings,
        input_tokens=classified.input_tokens,
        label_tokens=classified.label_tokens,
        output_tokens=classified.output_tokens,
        inference_ms=classified.inference_ms,
    )


def join_chunk_results(groups: Sequence[ChunkResult]) -> ChunkResult:
    """Join the results of consecutive groups. Every group has the tokens of labels and instruction; they count once."""
    if len(groups) == 1:
        return groups[0]
    scores = [row for group in groups for row in group.scores or ()]
    label_tokens = groups[0].label_tokens
    return ChunkResult(
        predictions=[row for group in groups for row in group.predictions],
        scores=scores or None,
        errors=[fault for group in groups for fault in group.errors],
        warnings=list(dict.fromkeys(warning for group in groups for warning in group.warnings)),
        input_tokens=label_tokens + sum(group.input_tokens - label_tokens for group in groups),
        label_tokens=label_tokens,
        output_tokens=sum(group.output_tokens for group in groups),
        inference_ms=sum(group.inference_ms for group in groups),
    )


def _to_score(labels: Sequence[LabelClass], label: RankedLabel) -> LabelScore:
    return LabelScore(
        label=labels[label.index].name, probability=round(label.probability, 6), similarity=round(label.similarity, 6)
    )
