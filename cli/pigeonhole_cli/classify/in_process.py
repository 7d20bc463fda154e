"""Classify with a prepared model in this process, without a stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pigeonhole.bulk.runner import Pipeline
from pigeonhole.client import Result, Results
from pigeonhole.client.results import renumber_warnings, to_results
from pigeonhole.contract.bulk import BulkOptions
from pigeonhole.contract.classification import Sample, SampleFault
from pigeonhole.contract.commands import ChunkResult, ClassifyCommand
from pigeonhole.contract.limits import DEFAULT_LIMITS
from pigeonhole.contract.validation import invalid_request, to_faults
from pigeonhole.settings import Settings
from pigeonhole.wiring import bulk
from pigeonhole_cli.bulk.local_input import LocalImageFetcher
from pigeonhole_cli.bulk.local_job import TENANT
from pigeonhole_cli.classify.engine import Engine, OnResults, Values
from pigeonhole_cli.classify.samples import SampleType
from pigeonhole_cli.label_options import to_label_fields
from pigeonhole_cli.local.capacity import count_cores

BATCH = 32


def local_engine(folder: Path) -> Engine:
    """Return an engine with the model of an artifact folder.

    Raises:
        ModelUnavailable: The folder is missing or broken.
    """
    # One thread in each run of the engine, and one image decoded at a time, for each batch: batches run at the same time.
    settings = Settings(model_dir=str(folder), threads=1, decode_workers=1)
    pipeline = bulk.local_pipeline(settings, lambda inner: LocalImageFetcher(inner, Path.cwd())).pipeline

    def classify(kind: SampleType, values: Values, fields: Mapping[str, Any], on_results: OnResults) -> Results:
        return _classify(pipeline, _parse_options(fields), kind, values, on_results)

    return classify


def _parse_options(fields: Mapping[str, Any]) -> BulkOptions:
    options = {name: value for name, value in fields.items() if name not in ("labels", "label_set")}
    try:
        return BulkOptions.model_validate(to_label_fields(fields["labels"], options), context=DEFAULT_LIMITS)
    except ValidationError as error:
        raise invalid_request(to_faults(error)) from None


def _classify(pipeline: Pipeline, options: BulkOptions, kind: SampleType, values: Values, on_results: OnResults) -> Results:
    """Classify samples in batches, one on each core. A sample that breaks the contract gets an error of its own."""
    parsed = [_parse_sample(index, kind, value) for index, value in enumerate(values)]
    found = {index: Result(index, (), error=sample) for index, sample in enumerate(parsed) if isinstance(sample, SampleFault)}
    samples = {index: sample for index, sample in enumerate(parsed) if isinstance(sample, Sample)}
    indices = list(samples)
    batches = [indices[start : start + BATCH] for start in range(0, len(indices), BATCH)]
    warnings: dict[int, list[str]] = {}
    on_results(list(found.values()))
    with ThreadPoolExecutor(count_cores()) as pool:
        pending = {
            pool.submit(_classify_batch, pipeline, options, [samples[index] for index in batch]): batch for batch in batches
        }
        try:
            for future in as_completed(pending):
                batch, chunk = pending[future], future.result()
                results = to_results(chunk.predictions, chunk.scores, chunk.errors, batch)
                found |= {result.index: result for result in results}
                warnings[batch[0]] = renumber_warnings(chunk.warnings, batch)
                on_results(results)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    ordered = tuple(found[index] for index in range(len(values)))
    return Results(ordered, tuple(dict.fromkeys(warning for first in sorted(warnings) for warning in warnings[first])))


def _parse_sample(index: int, kind: SampleType, value: str | Path) -> Sample | SampleFault:
    # A file: URL can hold any name, even one that would be read as an address.
    address = value.absolute().as_uri() if isinstance(value, Path) else value
    try:
        return Sample.model_validate({"type": kind, "value": address}, context=DEFAULT_LIMITS)
    except ValidationError as error:
        return SampleFault(index=index, code="invalid_request", message=to_faults(error)[0].message)


def _classify_batch(pipeline: Pipeline, options: BulkOptions, samples: Sequence[Sample]) -> ChunkResult:
    request = options.to_request(list(samples))
    (result,) = pipeline.ask(ClassifyCommand(log_id=TENANT, tenant_id=TENANT, request=request))
    return result
