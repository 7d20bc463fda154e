"""Processes that do nothing but classify: what benchmarks/jobs.py holds the queue's workers against.

Each runs the service that a worker runs on its chunk (RunChunk: fetching, decoding, the Classifier), and takes the next chunk
when it is done with one. There is no table, no bucket and no queue.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from pigeonhole import wiring
from pigeonhole.contract.classification import ClassificationRequest, RequestLimits
from pigeonhole.contract.messages import ChunkResult, ClassifyCommand
from pigeonhole.settings import Settings

THINGS = ("cat", "cup of coffee", "motorcycle", "person", "rocket", "flower", "temple")
START_S = 300.0


def request_of(urls: Sequence[str]) -> dict[str, Any]:
    """The body that both sides are given."""
    return {
        "dataset": [{"type": "image", "value": url} for url in urls],
        "labels": [{"type": "text", "value": thing} for thing in THINGS],
    }


@contextmanager
def plain_processes(count: int, settings: Mapping[str, str], warm: Sequence[str]) -> Iterator[PlainProcesses]:
    """Start `count` processes, each of which has loaded the model and run it on `warm` before this goes on."""
    context = multiprocessing.get_context("spawn")  # a fork would have this process's threads and none of their work
    ready = context.Barrier(count + 1)
    with context.Pool(count, _load, (settings, warm, ready)) as pool:
        ready.wait(START_S)
        yield PlainProcesses(pool, settings)
        pool.close()
        pool.join()


def _load(settings: Mapping[str, str], warm: Sequence[str], ready: Any) -> None:
    _classify(settings, warm)
    ready.wait(START_S)


def _classify(settings: Mapping[str, str], urls: Sequence[str]) -> ChunkResult:
    pipeline = wiring.classify_services(Settings.from_environ(settings)).pipeline  # made once in a process
    request = ClassificationRequest.model_validate(request_of(urls), context=RequestLimits(max_samples=len(urls)))
    return pipeline.classify(ClassifyCommand(log_id="", tenant_id="", request=request))


@dataclass(frozen=True)
class PlainProcesses:
    """The processes, ready."""

    pool: Any
    settings: Mapping[str, str]

    def run(self, urls: Sequence[str], chunk: int) -> tuple[list[Any], float]:
        """Classify photos: their best labels, and the seconds that it took."""
        chunks = [urls[first : first + chunk] for first in range(0, len(urls), chunk)]
        started = time.perf_counter()
        results = self.pool.map(partial(_classify, self.settings), chunks, chunksize=1)
        took_s = time.perf_counter() - started
        return [chosen and chosen[0] for result in results for chosen in result.predictions], took_s
