"""Work on one message of a job: classify what is left of its span, write the results down, send on what there was no time for.

A message may come twice, to two workers at once, or after its job was canceled. Nothing is done for a span that is done; of two
who wrote at once one is too late, and leaves out what the other has.

A message that comes again, since a worker failed or was lost with it, is worked on piece by piece, each written down by itself:
what ends a worker, or takes all its time, then costs those samples alone that are in its piece or after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from pydantic import ValidationError

from pigeonhole.contract.classification import Sample
from pigeonhole.contract.messages import (
    ChunkMessage,
    ChunkResult,
    ClassifyCommand,
    ErrorReply,
    JobInput,
    PartResults,
    Span,
    UploadedFile,
    as_reply,
)
from pigeonhole.errors import Overloaded, PigeonholeError, SampleError
from pigeonhole.jobs.assemble import JobResultsAssembler
from pigeonhole.jobs.job import RETRY_SPLIT, Job, Part
from pigeonhole.jobs.parts import PartWriter
from pigeonhole.jobs.ports import ChunkQueue, JobStore
from pigeonhole.jobs.submit import queue_spans
from pigeonhole.object_keys import job_input_key
from pigeonhole.ports import ObjectStore
from pigeonhole.tenants.ports import TenantStore

MARGIN = 1.5  # a group of samples is begun if there is time for one that takes so many times as long as the last
INPUT_GONE = ErrorReply(code="internal_error", message="The job's samples are no longer kept. Send them again.")
INPUT_UNREADABLE = ErrorReply(
    code="internal_error",
    message="The job's samples were kept by another version of the service. Send them again.",
)


class Pipeline(Protocol):
    """run_chunk.RunChunk."""

    def classify(self, command: ClassifyCommand, *, should_continue: Callable[[], bool]) -> ChunkResult: ...


@dataclass(frozen=True, kw_only=True)
class ChunkWorker:
    """The service behind functions/worker. `stop_s`: seconds before the function's end from which on no samples are begun;
    earlier if the last group took longer than that.
    """

    store: JobStore
    tenants: TenantStore
    objects: ObjectStore
    queue: ChunkQueue
    pipeline: Pipeline
    parts: PartWriter
    results_assembler: JobResultsAssembler
    stop_s: float = 30.0

    def process(
        self, message: ChunkMessage, time_left_s: Callable[[], float], *, tries: int = 1, is_last_try: bool = False
    ) -> list[Part]:
        """Do a message's work; the parts that were written, none if there was nothing to do.

        `tries`: how often the message has come; `is_last_try`: an image that S3 is too busy to give costs the others no
        further try.

        Raises Overloaded where trying again may help, and whatever is a fault of ours.
        """
        begun = self.parts.begin(message)
        if begun is None:
            return []
        job, rest = begun
        command = self._command(job, rest, will_be_retried=not is_last_try)
        at_once = max(1, (message.stop - message.start) // RETRY_SPLIT ** (tries - 1))
        left_s = time_left_s()

        def should_continue() -> bool:
            nonlocal left_s
            before_s, left_s = left_s, time_left_s()
            last_took_s = before_s - left_s
            return left_s > max(self.stop_s, MARGIN * last_took_s) and self._is_wanted(job)

        parts: list[Part] = []
        while len(rest):
            piece = Span(rest.start, min(rest.start + at_once, rest.stop))
            results = self._classify(command, piece, should_continue)
            done = len(results.result.predictions) if results.result else len(piece)
            written = self.parts.write(job, Span(piece.start, piece.start + done), results)
            if written is None:  # nobody wants it any more, or another is at the rest, too
                return parts
            job, part = written
            parts.append(part)
            rest = Span(piece.start + done, rest.stop)
            if len(rest) and (done < len(piece) or not should_continue()):
                queue_spans(self.queue, job, [rest])
                break
        if job.has_ended:
            with suppress(PigeonholeError):  # the API assembles large results if the worker can't
                self.results_assembler.assemble_if_large(job)
        return parts

    def _is_wanted(self, job: Job) -> bool:
        try:
            now = self.store.get(job.tenant_id, job.id)
        except Overloaded:  # nothing that is done already may be lost by asking
            return True
        return now is not None and not now.has_ended

    def _classify(self, command: ClassifyCommand | ErrorReply, span: Span, should_continue: Callable[[], bool]) -> PartResults:
        """What becomes of a span, or of as much of it as there was time for. An error that no retry would mend is a result."""
        if isinstance(command, ErrorReply):
            return PartResults(error=command, gave_up=True)
        command = _of_span(command, span)
        tried = False
        while True:
            try:
                return PartResults(result=self.pipeline.classify(command, should_continue=should_continue))
            except SampleError as error:  # a label's picture, without which no sample can be sorted
                if tried or not error.retryable or not should_continue():
                    return PartResults(error=as_reply(error))
            tried = True

    def _command(self, job: Job, span: Span, *, will_be_retried: bool) -> ClassifyCommand | ErrorReply:
        """What is to be classified, or why that can't be known; no retry would mend it."""
        data = self.objects.get(job_input_key(job.tenant_id, job.id))
        if data is None:
            return INPUT_GONE
        try:
            kept = JobInput.read(data)
        except ValidationError:
            return INPUT_UNREADABLE
        tenant = self.tenants.tenant(job.tenant_id)  # and its grants as they are now: one that was taken back holds at once
        samples = kept.request.dataset[span.start : span.stop]
        return ClassifyCommand(
            log_id=kept.log_id,
            tenant_id=job.tenant_id,
            grants=tenant.grants if tenant else (),
            versions=versions_of(samples, kept.objects[span.start : span.stop]),
            is_job=True,
            will_be_retried=will_be_retried,
            first_index=span.start,
            request=kept.request.model_copy(update={"dataset": samples, "on_error": "null"}),
        )


def _of_span(command: ClassifyCommand, span: Span) -> ClassifyCommand:
    """The same for some of a command's samples."""
    samples = command.request.dataset[span.start - command.first_index : span.stop - command.first_index]
    request = command.request.model_copy(update={"dataset": samples})
    return command.model_copy(update={"first_index": span.start, "request": request})


def versions_of(samples: Sequence[Sample], objects: Sequence[UploadedFile]) -> dict[str, str]:
    """Which version of its object each image means: the one that was uploaded, whatever lies there now.

    What the lines of an object name is no upload of theirs.
    """
    pairs = zip(samples, objects, strict=False)
    return {sample.value: it.version_id for sample, it in pairs if it.version_id and not it.is_lines and sample.type == "image"}
