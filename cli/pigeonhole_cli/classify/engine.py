"""Classify the samples of a command with an engine: a deployed API, or the model in this process."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from pigeonhole.client import Result, Results
from pigeonhole.contract.classification import SampleFault
from pigeonhole_cli.classify.samples import CommandSample, SampleType
from pigeonhole_cli.console import one_line

SHORT_CHARS = 40  # of a sample's name in a warning

OnResults: TypeAlias = Callable[[Sequence[Result]], None]
Values: TypeAlias = Sequence[str | Path]
# Classifies samples of one type by the labels and options of a request, and reports results as they come.
Engine: TypeAlias = Callable[[SampleType, Values, Mapping[str, Any], OnResults], Results]


@dataclass(frozen=True)
class Classified:
    """The outcome of a command.

    Attributes:
        samples: The samples.
        results: The result of each sample, in the same order.
        warnings: What the user should know about samples and labels.
    """

    samples: Sequence[CommandSample]
    results: Sequence[Result]
    warnings: Sequence[str] = ()

    @property
    def failed(self) -> int:
        """The number of samples with an error."""
        return sum(result.error is not None for result in self.results)


def classify_samples(
    engine: Engine, samples: Sequence[CommandSample], fields: Mapping[str, Any], on_results: OnResults
) -> Classified:
    """Classify texts and images, which no request may mix.

    Args:
        engine: Classifies samples of one type.
        samples: The samples.
        fields: The labels and options of a request.
        on_results: Called with results as they come.
    """
    results = {index: _to_error(index, sample) for index, sample in enumerate(samples) if sample.problem is not None}
    on_results(list(results.values()))
    warnings: list[str] = []
    kinds: tuple[SampleType, ...] = ("text", "image")
    for kind in kinds:
        indices = [index for index, sample in enumerate(samples) if sample.type == kind and sample.problem is None]
        if not indices:
            continue
        answer = engine(kind, [samples[index].value for index in indices], fields, on_results)
        results |= {index: replace(result, index=index) for index, result in zip(indices, answer, strict=True)}
        warnings += [_name_sample(warning, [samples[index] for index in indices]) for warning in answer.warnings]
    return Classified(samples, [results[index] for index in range(len(samples))], list(dict.fromkeys(warnings)))


def _to_error(index: int, sample: CommandSample) -> Result:
    fault = SampleFault(index=index, code="invalid_request", message=sample.problem or "")
    return Result(index, (), error=fault)


def _name_sample(warning: str, samples: Sequence[CommandSample]) -> str:
    """Name the sample of a warning, which the API names by its position."""

    def name(place: re.Match[str]) -> str:
        text = one_line(samples[int(place[1])].name)
        return repr(text if len(text) <= SHORT_CHARS else text[: SHORT_CHARS - 1] + "…")

    return re.sub(r"^dataset\.(\d+)\.value\b", name, warning)
