"""Store the results of a span of a job's samples, each sample once, whatever other workers store at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from pigeonhole.contract.commands import ChunkResult
from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.messages import ChunkMessage
from pigeonhole.contract.spans import Span
from pigeonhole.jobs.job import Job, Part, remaining_span
from pigeonhole.jobs.ports import JobStore
from pigeonhole.jobs.records import encode_part_results
from pigeonhole.jobs.results import PartResults
from pigeonhole.jobs.update import JobUpdater
from pigeonhole.object_keys import part_key
from pigeonhole.ports import ObjectStore

# An item may have 400 KB, but a transaction costs two writes per KB: from some KB on, an object is cheaper.
INLINE_BYTES = 50_000


@dataclass(frozen=True, kw_only=True)
class PartWriter:
    """Starts jobs and adds parts to them. Every method raises Overloaded where trying again may help.

    Attributes:
        inline_bytes: The largest packed results that are stored in an item. Larger ones become an object.
    """

    store: JobStore
    objects: ObjectStore
    inline_bytes: int = INLINE_BYTES
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def begin(self, message: ChunkMessage) -> tuple[Job, Span] | None:
        """Start a message's job if no worker has, and find out which samples of the message are left.

        Returns:
            The job and the samples. None if the job has ended or expired, or no sample is left.
        """
        job = JobUpdater(store=self.store, sleep=self.sleep).update(
            message.tenant_id,
            message.job_id,
            lambda latest: latest.started(self.clock()) if latest.status is JobStatus.QUEUED else None,
        )
        if job is None or job.has_ended or message.stop > job.total:
            return None
        rest = self._find_remaining(job, Span(message.start, message.stop))
        return (job, rest) if len(rest) else None

    def write(self, job: Job, span: Span, part_results: PartResults) -> tuple[Job, Part] | None:
        """Store the results of a span as a part, without the samples that another worker has stored meanwhile.

        Returns:
            The job with the part. None if no sample is left or the job has ended.
        """
        parts_by_span: dict[Span, Part] = {}
        part: Part | None = None

        def add_part(latest: Job) -> tuple[Job, Part] | None:
            nonlocal part
            part = None
            rest = self._find_remaining(job, span)
            if latest.has_ended or not len(rest):
                return None
            if rest not in parts_by_span:
                count = rest.start - span.start
                parts_by_span[rest] = self._to_part(job, rest, _drop_first(part_results, span.start, count))
            part = parts_by_span[rest]
            return latest.with_part(part, self.clock()), part

        after = JobUpdater(store=self.store, sleep=self.sleep).write(job.tenant_id, job.id, add_part)
        return (after, part) if after and part else None

    def _find_remaining(self, job: Job, span: Span) -> Span:
        return remaining_span(span, self.store.list_part_spans(job.tenant_id, job.id, span))

    def _to_part(self, job: Job, span: Span, part_results: PartResults) -> Part:
        part, data = part_results.to_part(span), encode_part_results(part_results)
        if len(data) <= self.inline_bytes:
            return replace(part, data=data)
        object_key = part_key(job.tenant_id, job.id, span)
        self.objects.put(object_key, data, "application/gzip")
        return replace(part, object_key=object_key)


def _drop_first(part_results: PartResults, first_index: int, count: int) -> PartResults:
    """Leave out the first samples, because another worker has stored their results.

    Args:
        part_results: The results.
        first_index: The index of their first sample in the job.
        count: How many samples are left out.
    """
    if not count:
        return part_results
    return replace(part_results, results=tuple(_drop_first_of(result, first_index, count) for result in part_results.results))


def _drop_first_of(result: ChunkResult, first_index: int, count: int) -> ChunkResult:
    """Leave out the first samples of the results for one question."""
    share = 1 - count / len(result.predictions)  # the usage isn't known sample by sample
    rest = {
        "predictions": result.predictions[count:],
        "scores": result.scores[count:] if result.scores else None,
        "errors": [fault for fault in result.errors if fault.index >= first_index + count],
        "input_tokens": result.label_tokens + round(share * (result.input_tokens - result.label_tokens)),
        "output_tokens": round(share * result.output_tokens),
        "inference_ms": round(share * result.inference_ms),
    }
    return result.model_copy(update=rest)
