"""Classify a span of a bulk job, and store its parts.

A message may be delivered twice, to two workers at once, or after its job was canceled. The first piece that is stored for a
line counts (pieces.py), and the parts follow from the pieces. Only one worker counts a span (SpanStore.complete).

A worker that runs out of time stores a piece of the span and queues the rest. If a message is redelivered, because its worker
crashed or was killed, each piece is stored as soon as it is classified. The more attempts, the smaller are the pieces. So every
attempt makes progress, and a line that crashes its worker fails only the lines of its own piece and those after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from pigeonhole.bulk.access import ManifestAccess
from pigeonhole.bulk.manifest import ManifestSpan, plan_spans
from pigeonhole.bulk.open_span import ManifestGone, OpenSpan, SpanOpener
from pigeonhole.bulk.outputs import PartFiles
from pigeonhole.bulk.ports import CompletedSpan, SpanQueue, SpanStore
from pigeonhole.bulk.results import ObjectResultStore
from pigeonhole.bulk.runner import GROUP_SAMPLES, Pipeline, SpanResults, SpanRunner, TextReader
from pigeonhole.contract.commands import ErrorReply
from pigeonhole.contract.messages import PlanMessage, SpanMessage
from pigeonhole.errors import ForbiddenUrl, Overloaded, SampleError
from pigeonhole.jobs.job import RETRY_SPLIT, Job
from pigeonhole.jobs.ports import JobStore, PlanQueue
from pigeonhole.object_keys import bulk_results_prefix
from pigeonhole.ports import ObjectStore

PIECE_SAMPLES = GROUP_SAMPLES  # after each piece the worker looks at the time that it has left
CHECK_S = 5.0  # between two looks at whether the job was canceled, because all workers of a job read its one item
MARGIN = 1.5  # a piece is begun only if there is time for one that takes so many times as long as the last
MAX_WARNINGS = 5  # of a span, in the table


@dataclass(frozen=True, kw_only=True)
class SpanWorker:
    """The service behind functions/worker for the spans of bulk jobs.

    Attributes:
        texts: Reads the text objects of a prefix.
        model_id: The model that classifies.
        model_revision: The revision of its weights.
        stop_s: How many seconds before the function's end the worker begins no further piece.
        threads: The number of groups that are classified at the same time.
        piece_samples: The number of samples after which a worker looks at the time that it has left.
        group_samples: The largest number of samples that are classified together.
    """

    opener: SpanOpener
    store: JobStore
    spans: SpanStore
    access: ManifestAccess
    objects: ObjectStore
    plan_queue: PlanQueue
    span_queue: SpanQueue
    pipeline: Pipeline
    texts: TextReader
    model_id: str
    model_revision: str
    stop_s: float = 30.0
    threads: int = 2
    piece_samples: int = PIECE_SAMPLES
    group_samples: int = GROUP_SAMPLES

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
        span = self.opener.open(message)
        if span is None:
            return None
        if self.spans.is_complete(span.job, message.number):
            self._end_if_last(span.job, message.number)
            return None
        attempts = 0 if deliveries == 1 else self.spans.add_attempt(span.job, message.number)
        results, rest = span.pieces.read(span.span)
        while rest:
            if time_left_s() <= self.stop_s:
                self.span_queue.send([message])
                return None
            try:
                has_stored = self._classify(span, rest, time_left_s, attempts, will_be_retried=not is_last_delivery)
            except ManifestGone as error:
                self.opener.fail_job(message, error)
                return None
            results, rest = span.pieces.read(span.span)
            if rest and has_stored:  # the time has run out, or the job was canceled
                if self._is_running(span.job):
                    self.span_queue.send([message])
                return None
        return self._complete(span, results)

    def _classify(
        self,
        span: OpenSpan,
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
        span = span.hold(rest)
        runner = self._runner(span, will_be_retried=will_be_retried)
        size = max(1, min(self.piece_samples, rest.samples // RETRY_SPLIT**attempts))
        done: SpanResults | None = None  # the pieces of a first attempt, which are stored as one
        left_s, checked_at = time_left_s(), self.opener.clock()
        try:
            for results in runner.run(_divide(span, rest, size)):
                before_s, left_s = left_s, time_left_s()
                if not attempts:
                    done = _join(done, results) if done else results
                elif not span.pieces.write(results):
                    return False
                if left_s <= max(self.stop_s, MARGIN * (before_s - left_s)):
                    break
                if self.opener.clock() >= checked_at + CHECK_S:
                    checked_at = self.opener.clock()
                    if not self._is_running(span.job):
                        break
        except SampleError as error:  # of a label's image, without which no line can be classified
            if error.retryable and will_be_retried:
                raise Overloaded("An example image of a label could not be fetched.") from error
            return span.pieces.write(span.fail_lines(rest, ErrorReply.from_error(error)))
        return done is None or span.pieces.write(done)

    def _runner(self, span: OpenSpan, *, will_be_retried: bool) -> SpanRunner:
        try:
            tenant = self.access.check(span.spec.input.location, span.job.tenant_id)
        except ForbiddenUrl as error:
            raise ManifestGone(error) from None
        return SpanRunner(
            pipeline=self.pipeline,
            source=span.source,
            options=span.spec.options,
            limits=span.limits,
            span_limits=span.spec.input.span_limits,
            tenant_id=span.job.tenant_id,
            grants=tenant.grants,
            parse=span.spec.input.parse,
            texts=self.texts,
            will_be_retried=will_be_retried,
            threads=self.threads,
            group_samples=self.group_samples,
        )

    def _complete(self, span: OpenSpan, results: SpanResults) -> CompletedSpan | None:
        job = span.job
        files = PartFiles(
            store=ObjectResultStore(self.objects, bulk_results_prefix(job.tenant_id, job.id)),
            format=span.spec.output,
            options=span.spec.options,
        )
        parts = files.write(span.span.number, results.rows, results.errors)
        completed = CompletedSpan(
            number=span.span.number,
            results=parts.results,
            errors=parts.errors,
            model_id=self.model_id,
            model_revision=self.model_revision,
            warnings=tuple(dict.fromkeys(results.warnings))[:MAX_WARNINGS],
        )
        was_open = self.spans.complete(job, completed, self.opener.clock())
        self._end_if_last(job, completed.number)
        return completed if was_open else None

    def _end_if_last(self, job: Job, number: int) -> None:
        """Send a message to the planner, which ends the job, if a complete span was the last one.

        Workers of a large job would read its item and all its counts too often. So the job is read again only if it wasn't
        planned when the span was opened, and all counts only if no span is open of those that are counted with this one.
        """
        is_planned = job.bulk is not None and job.bulk.spans is not None
        latest = job if is_planned else self.store.get(job.tenant_id, job.id)
        if latest is None or latest.has_ended or latest.bulk is None or latest.bulk.spans is None:
            return  # a planner ends a job that is planned after its last span was completed
        spans = latest.bulk.spans
        if self.spans.may_be_last(job, number, spans) and self.spans.count(job).spans == spans:
            self.plan_queue.send([PlanMessage(tenant_id=job.tenant_id, job_id=job.id)])

    def _is_running(self, job: Job) -> bool:
        try:
            latest = self.store.get(job.tenant_id, job.id)
        except Overloaded:  # a busy table is no reason to lose the lines classified so far
            return True
        return latest is not None and not latest.has_ended


def _divide(span: OpenSpan, rest: ManifestSpan, samples: int) -> Iterator[ManifestSpan]:
    """Divide the rest of a span into pieces of at most so many samples, which cover all its lines."""
    before = ManifestSpan(rest.number - 1, 0, rest.start_byte, rest.first_line, 0, 0)
    limits = replace(span.spec.input.span_limits, samples=samples)
    pieces = [*plan_spans(span.source.read(rest.start_byte, rest.stop_byte), limits, after=before)]
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
