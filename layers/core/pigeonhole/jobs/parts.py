"""Write down what became of a span of a job's samples, each of them once, whoever else is at it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.messages import ChunkMessage, PartResults, Span
from pigeonhole.jobs.job import Job, Part, remaining_span
from pigeonhole.jobs.ports import JobStore
from pigeonhole.jobs.results import pack, part_of
from pigeonhole.jobs.update import JobUpdater
from pigeonhole.object_keys import part_key
from pigeonhole.ports import ObjectStore

# Of packed results. An item has at most 400 KB, but two writes per KB in a transaction: from some KB on an object is cheaper.
INLINE_BYTES = 50_000


@dataclass(frozen=True, kw_only=True)
class PartWriter:
    """Begins jobs and adds parts to them. Raises Overloaded where trying again may help."""

    store: JobStore
    objects: ObjectStore
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def begin(self, message: ChunkMessage) -> tuple[Job, Span] | None:
        """A message's job, being processed from now on, and what is left of the span; None if there is nothing to do."""
        job = JobUpdater(store=self.store, sleep=self.sleep).update(
            message.tenant_id,
            message.job_id,
            lambda job: job.started(self.clock()) if job.status is JobStatus.QUEUED else None,
        )
        if job is None or job.has_ended or message.stop > job.total:
            return None
        rest = self._rest(job, Span(message.start, message.stop))
        return (job, rest) if len(rest) else None

    def write(self, job: Job, span: Span, results: PartResults) -> tuple[Job, Part] | None:
        """Write a part, less what others have written of its span; the job with it, None if nothing is left or it has ended."""
        packed: dict[Span, Part] = {}
        written: Part | None = None

        def add(now: Job) -> tuple[Job, Part] | None:
            nonlocal written
            written = None
            rest = self._rest(job, span)
            if now.has_ended or not len(rest):
                return None
            if rest not in packed:
                packed[rest] = self._packed(job, rest, _without_first(results, span.start, rest.start - span.start))
            written = packed[rest]
            return now.with_part(written, self.clock()), written

        after = JobUpdater(store=self.store, sleep=self.sleep).write(job.tenant_id, job.id, add)
        return (after, written) if after and written else None

    def _rest(self, job: Job, span: Span) -> Span:
        return remaining_span(span, self.store.list_part_spans(job.tenant_id, job.id, span))

    def _packed(self, job: Job, span: Span, results: PartResults) -> Part:
        counted, data = part_of(span, results), pack(results)
        if len(data) <= INLINE_BYTES:
            return replace(counted, data=data)
        key = part_key(job.tenant_id, job.id, span)
        self.objects.put(key, data, "application/gzip")
        return replace(counted, object_key=key)


def _without_first(results: PartResults, first: int, count: int) -> PartResults:
    """Leave out the first `count` samples, of which `first` is the first one: another has written them."""
    result = results.result
    if not count or result is None:
        return results
    share = 1 - count / len(result.predictions)  # of the usage, which isn't known sample by sample
    kept = {
        "predictions": result.predictions[count:],
        "scores": result.scores[count:] if result.scores else None,
        "errors": [fault for fault in result.errors if fault.index >= first + count],
        "input_tokens": result.label_tokens + round(share * (result.input_tokens - result.label_tokens)),
        "output_tokens": round(share * result.output_tokens),
        "inference_ms": round(share * result.inference_ms),
    }
    return PartResults(result=result.model_copy(update=kept))
