"""A job's results: how parts are packed, where objects lie, and how parts become an answer again."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pigeonhole.contract.classification import LabelScore, SampleFault, Usage
from pigeonhole.contract.messages import ErrorReply, PartResults, Span
from pigeonhole.jobs.job import Part

MAX_WARNINGS = 100  # of a job; ten thousand texts that are all too long would say so ten thousand times


def pack(results: PartResults) -> bytes:
    """Pack a part's results: JSON, gzipped. The same results give the same bytes."""
    return gzip.compress(results.model_dump_json(exclude_none=True).encode(), mtime=0)


def unpack(data: bytes) -> PartResults:
    """The inverse of `pack`."""
    return PartResults.model_validate_json(gzip.decompress(data))


def part_of(span: Span, results: PartResults) -> Part:
    """Count what became of a span's samples, results left out."""
    failed = sum(prediction is None for prediction in results.result.predictions) if results.result else len(span)
    return Part(span, len(span) - failed, failed)


@dataclass
class JobResults:
    """The results of a job's samples in their order; null where `errors` says why, or where nothing was done (canceled)."""

    predictions: list[list[str] | None]
    scores: list[list[LabelScore] | None]
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


def collect(total: int, parts: Sequence[tuple[Span, PartResults]]) -> JobResults:
    """Put parts together. Labels and instruction, which every part reads anew, count once."""
    found = JobResults([None] * total, [None] * total)
    label_tokens, warnings = 0, dict[str, None]()  # a dict keeps their order, and each once
    for span, part in parts:
        if part.result is None:
            found.errors += _errors_of_all(span, part.error)
            continue
        result = part.result
        found.predictions[span.start : span.stop] = result.predictions
        if result.scores is not None:
            found.has_scores = True
            found.scores[span.start : span.stop] = result.scores
        found.errors += result.errors
        warnings.update(dict.fromkeys(result.warnings))
        found.input_tokens += result.input_tokens - result.label_tokens
        found.output_tokens += result.output_tokens
        found.inference_ms += result.inference_ms
        label_tokens = max(label_tokens, result.label_tokens)
    found.input_tokens += label_tokens
    found.warnings = _at_most(MAX_WARNINGS, list(warnings))
    return found


def _at_most(most: int, warnings: list[str]) -> list[str]:
    left_out = len(warnings) - most
    return warnings if left_out <= 0 else [*warnings[:most], f"and {left_out} more warnings"]


def _errors_of_all(span: Span, error: ErrorReply | None) -> Iterator[SampleFault]:
    shown = error or ErrorReply(code="internal_error", message="The samples could not be classified.")
    return (SampleFault(index=index, code=shown.code, message=shown.message) for index in range(span.start, span.stop))


def prediction(chosen: list[str] | None, *, multiple: bool) -> str | list[str] | None:
    """One sample's prediction: null where it couldn't be read, else the best label, or all chosen ones."""
    if chosen is None:
        return None
    return chosen if multiple else chosen[0]
