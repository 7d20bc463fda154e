"""Process one message of a job: classify its samples, store their results, queue the samples that there was no time for.

A message may be delivered twice, to two workers at once, or after its job was canceled. Samples that have results are skipped.
If two workers store results of the same samples, the later one leaves out what the earlier one has stored.

A message is redelivered when its worker failed or crashed, or when Lambda had no room for a worker. So the worker records each
attempt at a redelivered message. The more attempts, the smaller are the pieces in which the samples are processed, and each
piece is stored on its own. So a sample that crashes the worker, or takes all its time, fails only the samples of its own piece
and those after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from pigeonhole.contract.classification import Sample
from pigeonhole.contract.commands import ChunkResult, ClassifyCommand, ErrorReply
from pigeonhole.contract.messages import ChunkMessage
from pigeonhole.contract.spans import Span
from pigeonhole.contract.uploads import UploadedFile
from pigeonhole.errors import Overloaded, PigeonholeError, SampleError
from pigeonhole.jobs.assemble import JobResultsAssembler
from pigeonhole.jobs.job import RETRY_SPLIT, Job, Part
from pigeonhole.jobs.parts import PartWriter
from pigeonhole.jobs.ports import ChunkQueue, JobStore
from pigeonhole.jobs.records import decode_job_input
from pigeonhole.jobs.results import PartResults
from pigeonhole.jobs.submit import queue_spans
from pigeonhole.object_keys import job_input_key
from pigeonhole.ports import ObjectStore
from pigeonhole.tenants.ports import TenantStore

MARGIN = 1.5  # a group of samples is begun only if there is time for one that takes so many times as long as the last
INPUT_MISSING = ErrorReply(code="internal_error", message="The job's samples have expired. Send them again.")
INPUT_UNREADABLE = ErrorReply(
    code="internal_error",
    message="The job's samples were stored by another version of the service. Send them again.",
)


class Pipeline(Protocol):
    """What classifies samples: inference.pipeline.InferencePipeline."""

    def ask(self, command: ClassifyCommand, *, should_continue: Callable[[], bool]) -> list[ChunkResult]:
        """Classify samples in groups, until `should_continue` returns False. The results then have the samples so far.

        Returns:
            The result of each question. A request with labels is one question.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class ChunkWorker:
    """The service behind functions/worker.

    Attributes:
        results_assembler: Stores the results of a job that the worker ended, if they are large.
        stop_s: How many seconds before the function's end the worker begins with no further samples. It stops earlier if the
            last group took longer.
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
        self, message: ChunkMessage, time_left_s: Callable[[], float], *, deliveries: int = 1, is_last_delivery: bool = False
    ) -> list[Part]:
        """Process a message.

        Args:
            message: The message.
            time_left_s: Tells how many seconds the function has left.
            deliveries: How often the message has been delivered, this time included.
            is_last_delivery: Whether the message isn't redelivered. An image that S3 is too busy to give then fails alone,
                where the whole message would be attempted again otherwise.

        Returns:
            The parts that were stored, none if there was nothing to do.

        Raises:
            Overloaded: The table, the bucket or the queue is busy. Trying again may help.
            Exception: A bug of this service.
        """
        begun = self.parts.begin(message)
        if begun is None:
            return []
        job, rest = begun
        command = self._to_command(job, rest, will_be_retried=not is_last_delivery)
        retries = 0 if deliveries == 1 else self.store.add_attempt(job, Span(message.start, message.stop))
        piece_size = max(1, (message.stop - message.start) // RETRY_SPLIT**retries)
        left_s = time_left_s()

        def should_continue() -> bool:
            nonlocal left_s
            before_s, left_s = left_s, time_left_s()
            last_took_s = before_s - left_s
            return left_s > max(self.stop_s, MARGIN * last_took_s) and self._is_running(job)

        parts: list[Part] = []
        while len(rest):
            piece = Span(rest.start, min(rest.start + piece_size, rest.stop))
            part_results = self._classify(command, piece, should_continue)
            count = len(part_results.results[0].predictions) if part_results.results else len(piece)
            written = self.parts.write(job, Span(piece.start, piece.start + count), part_results)
            if written is None:  # the job was canceled, or another worker processes the same samples
                return parts
            job, part = written
            parts.append(part)
            rest = Span(piece.start + count, rest.stop)
            if len(rest) and (count < len(piece) or not should_continue()):
                queue_spans(self.queue, job, [rest])
                break
        if job.has_ended:
            with suppress(PigeonholeError):  # the API assembles large results if the worker can't
                self.results_assembler.assemble_if_large(job)
        return parts

    def _is_running(self, job: Job) -> bool:
        try:
            latest = self.store.get(job.tenant_id, job.id)
        except Overloaded:  # a busy table is no reason to lose the samples classified so far
            return True
        return latest is not None and not latest.has_ended

    def _classify(self, command: ClassifyCommand | ErrorReply, span: Span, should_continue: Callable[[], bool]) -> PartResults:
        """Classify a span, or as much of it as there is time for. An error that no retry would fix is a result."""
        if isinstance(command, ErrorReply):
            return PartResults(error=command, is_abandoned=True)
        command = _narrow(command, span)
        was_retried = False
        while True:
            try:
                return PartResults(results=tuple(self.pipeline.ask(command, should_continue=should_continue)))
            except SampleError as error:  # of a label's image, without which no sample can be classified
                if was_retried or not error.retryable or not should_continue():
                    return PartResults(error=ErrorReply.from_error(error))
            was_retried = True

    def _to_command(self, job: Job, span: Span, *, will_be_retried: bool) -> ClassifyCommand | ErrorReply:
        """Read the job's input and make the command for a span, or the error of its samples if the input can't be read."""
        data = self.objects.get(job_input_key(job.tenant_id, job.id))
        if data is None:
            return INPUT_MISSING
        try:
            job_input = decode_job_input(data)
        except ValueError:
            return INPUT_UNREADABLE
        # The tenant is read for every message, so that a grant that was withdrawn has no effect any more.
        tenant = self.tenants.get_tenant(job.tenant_id)
        samples = job_input.request.dataset[span.start : span.stop]
        return ClassifyCommand(
            log_id=job_input.log_id,
            tenant_id=job.tenant_id,
            grants=tenant.grants if tenant else (),
            versions=find_versions(samples, job_input.uploads[span.start : span.stop]),
            is_job=True,
            will_be_retried=will_be_retried,
            first_index=span.start,
            request=job_input.request.model_copy(update={"dataset": samples, "on_error": "null"}),
        )


def _narrow(command: ClassifyCommand, span: Span) -> ClassifyCommand:
    """Make the command for some of a command's samples."""
    samples = command.request.dataset[span.start - command.first_index : span.stop - command.first_index]
    request = command.request.model_copy(update={"dataset": samples})
    return command.model_copy(update={"first_index": span.start, "request": request})


def find_versions(samples: Sequence[Sample], uploads: Sequence[UploadedFile]) -> dict[str, str]:
    """Find the version of each uploaded image, so that the upload is classified even if its file was replaced since.

    An image that a line of a .jsonl file names isn't an upload, so it has no version.

    Args:
        samples: The samples.
        uploads: The file of each sample, empty if the samples came in a request.

    Returns:
        The version ids, by the images' s3:// values.
    """
    return {
        sample.value: upload.version_id
        for sample, upload in zip(samples, uploads, strict=False)
        if upload.version_id and not upload.is_lines and sample.type == "image"
    }
