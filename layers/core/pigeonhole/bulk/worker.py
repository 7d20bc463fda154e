"""Classify a span of a bulk job, and store its parts.

A message may be delivered twice, to two workers at once, or after its job was canceled. The first piece that is stored for a
line counts (pieces.py), and the parts follow from the pieces. Only one worker counts a span (SpanStore.complete).

A worker that runs out of time stores a piece of the span and queues the rest. If a message is redelivered, because its worker
crashed or was killed, each piece is stored as soon as it is classified. The more attempts, the smaller are the pieces. So every
attempt makes progress, and a line that crashes its worker fails only the lines of its own piece and those after it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from pigeonhole.bulk.manifest import ManifestSpan, plan_spans, read_lines
from pigeonhole.bulk.outputs import PartFiles
from pigeonhole.bulk.pieces import PieceStore
from pigeonhole.bulk.ports import CompletedSpan, ManifestSource, ManifestStore, SpanQueue, SpanStore
from pigeonhole.bulk.results import ObjectResultStore
from pigeonhole.bulk.runner import Pipeline, SpanResults, SpanRunner
from pigeonhole.bulk.spec import BulkSpec, decode_spec
from pigeonhole.contract.bulk import ErrorRow
from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.messages import ErrorReply, PlanMessage, SpanMessage
from pigeonhole.errors import Overloaded, SampleError
from pigeonhole.jobs.dead_letters import ABANDONED, MAX_AGE_S, MIN_RETRIES
from pigeonhole.jobs.job import RETRY_SPLIT, Job
from pigeonhole.jobs.ports import JobStore, PlanQueue
from pigeonhole.jobs.update import JobUpdater
from pigeonhole.object_keys import bulk_results_prefix, bulk_spec_key
from pigeonhole.ports import ObjectStore
from pigeonhole.tenants.ports import TenantStore

PIECE_SAMPLES = 256  # of a first attempt: after each piece the worker looks at the time that it has left
MARGIN = 1.5  # a piece is begun only if there is time for one that takes so many times as long as the last
MAX_WARNINGS = 5  # of a span, in the table


@dataclass(frozen=True, kw_only=True)
class SpanWorker:
    """The service behind functions/worker for the spans of bulk jobs.

    Attributes:
        limits: The limits of a sample.
        model_id: The model that classifies.
        model_revision: The revision of its weights.
        stop_s: How many seconds before the function's end the worker begins no further piece.
        threads: The number of groups that are classified at the same time.
    """

    store: JobStore
    spans: SpanStore
    tenants: TenantStore
    objects: ObjectStore
    manifests: ManifestStore
    plan_queue: PlanQueue
    span_queue: SpanQueue
    pipeline: Pipeline
    limits: RequestLimits
    model_id: str
    model_revision: str
    stop_s: float = 30.0
    threads: int = 2
    piece_samples: int = PIECE_SAMPLES
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def process(
        self,
        message: SpanMessage,
        time_left_s: Callable[[], float],
        *,
        deliveries: int = 1,
        is_last_delivery: bool = False,
    ) -> CompletedSpan | None:
        """Process a message.

        Args:
            message: The span.
            time_left_s: Returns how many seconds the function has left.
            deliveries: How often the message has been delivered, this time included.
            is_last_delivery: Whether the message isn't redelivered. An image that S3 is too busy to give then fails alone.

        Returns:
            The span, if this call completed it.

        Raises:
            Overloaded: The table, the bucket or the queue is busy. Trying again may help.
        """
        begun = self._begin(message)
        if begun is None:
            return None
        job, spec = begun
        span = _to_span(message)
        attempts = 0 if deliveries == 1 else self.spans.add_attempt(job, span.number)
        pieces = self._pieces(job)
        results, rest = pieces.read(span)
        while rest:
            try:
                has_stored = self._classify(
                    job, spec, pieces, rest, time_left_s, attempts, will_be_retried=not is_last_delivery
                )
            except _ManifestGone as error:
                self._fail(message, ErrorReply.from_error(error.cause))
                return None
            results, rest = pieces.read(span)
            if rest and has_stored:  # the time has run out, or the job was canceled
                if self._is_running(job):
                    self.span_queue.send([message])
                return None
        return self._complete(job, spec, results)

    def abandon(self, message: SpanMessage) -> CompletedSpan | None:
        """Fail the lines of a dead message that have no result, or queue the message again if no worker has attempted it.

        Returns:
            The span, if this call completed it.

        Raises:
            Overloaded: The table, the bucket or the queue is busy. Trying again may help.
        """
        begun = self._begin(message)
        if begun is None:
            return None
        job, spec = begun
        span = _to_span(message)
        max_age_s = min(MAX_AGE_S, (job.expires_at - job.created_at) / 2)
        if self.spans.count_attempts(job, span.number) < MIN_RETRIES and self.clock() < job.created_at + max_age_s:
            self.span_queue.send([message])
            return None
        pieces = self._pieces(job)
        results, rest = pieces.read(span)
        while rest:
            try:
                pieces.write(self._fail_lines(spec, rest, ABANDONED))
            except _ManifestGone as error:
                self._fail(message, ErrorReply.from_error(error.cause))
                return None
            results, rest = pieces.read(span)
        return self._complete(job, spec, results)

    def _pieces(self, job: Job) -> PieceStore:
        return PieceStore(objects=self.objects, tenant_id=job.tenant_id, job_id=job.id)

    def _begin(self, message: SpanMessage) -> tuple[Job, BulkSpec] | None:
        """Return the job and its spec, None if there is nothing to do."""
        job = self.store.get(message.tenant_id, message.job_id)
        if job is None or job.has_ended or job.bulk is None or job.status is JobStatus.QUEUED:
            return None
        if self.spans.is_complete(job, message.number):
            self._end_if_last(job)
            return None
        data = self.objects.get(bulk_spec_key(job.tenant_id, job.id))
        try:
            return (job, decode_spec(data)) if data is not None else None
        except ValueError:
            return None  # the planner ends such a job

    def _classify(
        self,
        job: Job,
        spec: BulkSpec,
        pieces: PieceStore,
        rest: ManifestSpan,
        time_left_s: Callable[[], float],
        attempts: int,
        *,
        will_be_retried: bool,
    ) -> bool:
        """Classify the rest of a span piece by piece, and store the pieces.

        Returns:
            False if another worker has stored a piece of the same lines, so that this one must look where the chain ends now.
        """
        source = _Pinned(self.manifests.open(spec.manifest))
        runner = self._runner(job, spec, source, will_be_retried=will_be_retried)
        size = max(1, min(self.piece_samples, rest.samples // RETRY_SPLIT**attempts))
        done: SpanResults | None = None  # the pieces that are stored as one
        left_s = time_left_s()
        try:
            for results in runner.run(_divide(source, spec, rest, size)):
                before_s, left_s = left_s, time_left_s()
                if attempts:
                    if not pieces.write(results):
                        return False
                elif done is None:
                    done = results
                else:
                    done = _join(done, results)
                if left_s <= max(self.stop_s, MARGIN * (before_s - left_s)) or not self._is_running(job):
                    break
        except SampleError as error:  # of a label's image, without which no line can be classified
            if error.retryable and will_be_retried:
                raise Overloaded("An example image of a label could not be fetched.") from error
            return pieces.write(self._fail_lines(spec, rest, ErrorReply.from_error(error)))
        return done is None or pieces.write(done)

    def _runner(self, job: Job, spec: BulkSpec, source: ManifestSource, *, will_be_retried: bool) -> SpanRunner:
        # The tenant is read for every message, so that a grant that was withdrawn has no effect any more.
        tenant = self.tenants.get_tenant(job.tenant_id)
        return SpanRunner(
            pipeline=self.pipeline,
            source=source,
            options=spec.options,
            limits=self.limits,
            span_limits=spec.span_limits,
            tenant_id=job.tenant_id,
            grants=tenant.grants if tenant else (),
            will_be_retried=will_be_retried,
            threads=self.threads,
        )

    def _fail_lines(self, spec: BulkSpec, rest: ManifestSpan, error: ErrorReply) -> SpanResults:
        """Give each line of the rest of a span the same error."""
        chunks = _Pinned(self.manifests.open(spec.manifest)).read(rest.start_byte, rest.stop_byte)
        lines = read_lines(chunks, rest.first_line, spec.span_limits, self.limits)
        errors = [
            ErrorRow(line=line.number, custom_id=line.custom_id, code=error.code, message=error.message) for line in lines
        ]
        return SpanResults(rest, errors=errors)

    def _complete(self, job: Job, spec: BulkSpec, results: SpanResults) -> CompletedSpan | None:
        store = ObjectResultStore(self.objects, bulk_results_prefix(job.tenant_id, job.id))
        files = PartFiles(
            store=store, format=spec.output, multiple_labels=spec.options.multiple_labels, scores=spec.options.scores
        )
        parts = files.write(results.span.number, results.rows, results.errors)
        warnings = tuple(dict.fromkeys(results.warnings))[:MAX_WARNINGS]
        completed = CompletedSpan(
            results.span.number, parts.results, parts.errors, self.model_id, self.model_revision, warnings
        )
        was_open = self.spans.complete(job, completed, self.clock())
        self._end_if_last(job)
        return completed if was_open else None

    def _end_if_last(self, job: Job) -> None:
        """Send a message to the planner, which ends the job, if all its spans are complete."""
        latest = self.store.get(job.tenant_id, job.id)
        if latest and not latest.has_ended and latest.bulk and self.spans.count(job).spans == latest.bulk.spans:
            self.plan_queue.send([PlanMessage(tenant_id=job.tenant_id, job_id=job.id)])

    def _is_running(self, job: Job) -> bool:
        try:
            latest = self.store.get(job.tenant_id, job.id)
        except Overloaded:  # a busy table is no reason to lose the lines classified so far
            return True
        return latest is not None and not latest.has_ended

    def _fail(self, message: SpanMessage, error: ErrorReply) -> None:
        JobUpdater(store=self.store, sleep=self.sleep).update(
            message.tenant_id,
            message.job_id,
            lambda latest: None if latest.has_ended else latest.failed_as_a_whole(self.clock(), error),
        )


class _ManifestGone(Exception):
    """The manifest of a job can't be read any more."""

    def __init__(self, cause: SampleError) -> None:
        super().__init__()
        self.cause = cause


@dataclass(frozen=True)
class _Pinned:
    """A manifest whose errors can't be taken for those of an image."""

    source: ManifestSource

    def read(self, start_byte: int = 0, stop_byte: int | None = None) -> Iterator[bytes]:
        try:
            yield from self.source.read(start_byte, stop_byte)
        except SampleError as error:
            raise _ManifestGone(error) from None


def _to_span(message: SpanMessage) -> ManifestSpan:
    return ManifestSpan(
        message.number, message.start_byte, message.stop_byte, message.first_line, message.lines, message.samples
    )


def _divide(source: ManifestSource, spec: BulkSpec, rest: ManifestSpan, samples: int) -> Iterator[ManifestSpan]:
    """Divide the rest of a span into pieces of at most so many samples, which cover all its lines."""
    before = ManifestSpan(rest.number - 1, 0, rest.start_byte, rest.first_line, 0, 0)
    limits = replace(spec.span_limits, samples=samples)
    pieces = [*plan_spans(source.read(rest.start_byte, rest.stop_byte), limits, after=before)]
    for piece, following in zip(pieces, [*pieces[1:], None], strict=True):
        # Blank lines behind the samples of a piece belong to it.
        stop_byte = following.start_byte if following else rest.stop_byte
        next_line = following.first_line if following else rest.first_line + rest.lines
        yield replace(piece, number=rest.number, stop_byte=stop_byte, lines=next_line - piece.first_line)


def _join(first: SpanResults, second: SpanResults) -> SpanResults:
    """Join the results of consecutive pieces."""
    span = replace(
        first.span,
        stop_byte=second.span.stop_byte,
        lines=first.span.lines + second.span.lines,
        samples=first.span.samples + second.span.samples,
    )
    joined = SpanResults(span)
    joined.extend(first)
    joined.extend(second)
    return joined
