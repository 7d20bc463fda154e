"""Processes that only classify: the baseline of benchmarks/jobs.py.

Each process runs the service that a worker runs on its chunk (InferencePipeline: fetching, decoding, the Classifier). When a
process has finished a chunk, it takes the next one. There is no table, no bucket and no queue.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from pigeonhole.contract.classification import ClassificationRequest
from pigeonhole.contract.commands import ChunkResult, ClassifyCommand
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.settings import Settings
from pigeonhole.wiring import inference

LABELS = ("cat", "cup of coffee", "motorcycle", "person", "rocket", "flower", "temple")
START_S = 300.0


def to_request_body(urls: Sequence[str]) -> dict[str, Any]:
    """Build the request body that both sides of the benchmark classify."""
    return {
        "dataset": [{"type": "image", "value": url} for url in urls],
        "labels": [{"type": "text", "value": label} for label in LABELS],
    }


@contextmanager
def plain_processes(count: int, settings: Mapping[str, str], warm_up: Sequence[str]) -> Iterator[PlainProcesses]:
    """Start processes, and wait until each has loaded the model and classified the warm-up photos.

    Args:
        count: How many processes.
        settings: Environment variables of a worker.
        warm_up: URLs of photos.
    """
    context = multiprocessing.get_context("spawn")  # a forked process would inherit locks, but not the threads that hold them
    ready = context.Barrier(count + 1)
    with context.Pool(count, _load, (settings, warm_up, ready)) as pool:
        ready.wait(START_S)
        yield PlainProcesses(pool, settings)
        pool.close()
        pool.join()


def _load(settings: Mapping[str, str], warm_up: Sequence[str], ready: Any) -> None:
    _classify(settings, warm_up)
    ready.wait(START_S)


def _classify(settings: Mapping[str, str], urls: Sequence[str]) -> ChunkResult:
    pipeline = inference.classify_services(Settings.from_environ(settings)).pipeline  # built once per process
    request = ClassificationRequest.model_validate(to_request_body(urls), context=RequestLimits(max_samples=len(urls)))
    return pipeline.classify(ClassifyCommand(log_id="", tenant_id="", request=request))


@dataclass(frozen=True)
class PlainProcesses:
    """Running processes that have loaded the model.

    Attributes:
        pool: Their multiprocessing pool.
        settings: Environment variables of a worker.
    """

    pool: Any
    settings: Mapping[str, str]

    def run(self, urls: Sequence[str], chunk: int) -> tuple[list[Any], float]:
        """Classify photos in chunks.

        Args:
            urls: The photos.
            chunk: Photos per chunk.

        Returns:
            The best label of each photo, and the seconds that all took.
        """
        chunks = [urls[first : first + chunk] for first in range(0, len(urls), chunk)]
        started = time.perf_counter()
        chunk_results = self.pool.map(partial(_classify, self.settings), chunks, chunksize=1)
        took_s = time.perf_counter() - started
        return [labels and labels[0] for result in chunk_results for labels in result.predictions], took_s
