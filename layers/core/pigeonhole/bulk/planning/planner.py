"""Do the next step of a bulk job: plan its spans, dispatch the spans that aren't complete, or end it.

    input: its ETag in the job ──> spans ──> segments of the plan (S3) ──> messages ──> job: segment recorded
    ... until the input ends ──> job: planned ──> GPU run ──> spans complete ──> results manifest ──> job: succeeded | failed

A segment is a run of consecutive spans. The planner stores a segment, dispatches its spans, and then records it in the job. So
a planner that is killed plans the last segment again: the same bytes give the same spans, and a span that is queued twice is
classified once. A planner that runs out of time queues a message for the next one.

An input that can't be read by ranges of bytes is copied while it is planned: the planner stores the lines of a segment before
the segment (staging.py).

The sweeper sends a message for a job that makes no progress. All steps may be repeated at any time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pigeonhole.bulk.access import ManifestAccess
from pigeonhole.bulk.inputs.kinds import InputKind
from pigeonhole.bulk.inputs.listing import last_key
from pigeonhole.bulk.inputs.reader import InputReader
from pigeonhole.bulk.manifest import ManifestSpan, plan_spans
from pigeonhole.bulk.planning.choose import ComputeChooser
from pigeonhole.bulk.planning.dispatch import SpanDispatcher
from pigeonhole.bulk.planning.finish import BulkFinisher
from pigeonhole.bulk.planning.segments import Segment, SegmentStore
from pigeonhole.bulk.planning.staging import Staging
from pigeonhole.bulk.spec import BulkSpec, decode_spec
from pigeonhole.contract.commands import ErrorReply
from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.messages import PlanMessage
from pigeonhole.errors import SampleError
from pigeonhole.jobs.job import Job
from pigeonhole.jobs.ports import JobStore, PlanQueue
from pigeonhole.jobs.update import JobChange, JobUpdater
from pigeonhole.object_keys import bulk_spec_key
from pigeonhole.ports import ObjectStore

SEGMENT_SPANS = 500
MAX_ATTEMPTS = 20  # at a redelivered message without a new segment. With the queue's pauses they last for hours.
NO_SAMPLES = ErrorReply(code="invalid_request", message="The manifest has no samples.")
UNPLANNABLE = ErrorReply(
    code="internal_error", message="The input could not be read: every attempt failed. Send it as a plain .jsonl file."
)
SPEC_UNREADABLE = ErrorReply(
    code="internal_error", message="What the job classifies has expired or was stored by another version. Send it again."
)


@dataclass(frozen=True, kw_only=True)
class BulkPlanner:
    """The service behind functions/plan.

    Attributes:
        planning_s: After how many seconds the sweeper sends a message for a job whose planner records nothing, longer than a
            planner runs.
        stuck_s: The same for a job that is planned.
        stop_s: How many seconds before the function's end the planner plans no further segment.
        segment_spans: The number of spans in a segment.
    """

    access: ManifestAccess
    store: JobStore
    objects: ObjectStore
    inputs: InputReader
    segments: SegmentStore
    chooser: ComputeChooser
    dispatcher: SpanDispatcher
    finisher: BulkFinisher
    plan_queue: PlanQueue
    planning_s: int = 400
    stuck_s: int = 3_600
    stop_s: float = 30.0
    segment_spans: int = SEGMENT_SPANS
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def advance(self, message: PlanMessage, time_left_s: Callable[[], float], *, deliveries: int = 1) -> Job | None:
        """Do the next step of a job.

        Args:
            message: Names the job.
            time_left_s: Returns how many seconds the function has left.
            deliveries: How often the message has been delivered, this time included.

        Returns:
            The job as it is then, None if there is none.

        Raises:
            Overloaded: The table, the bucket or the queue is busy. Trying again may help.
        """
        job = self._update(message, lambda latest: self._begin(latest, is_redelivered=deliveries > 1))
        if job is None or job.bulk is None:
            return job
        if job.has_ended:
            self.dispatcher.stop(job)
            return job
        spec = self._read_spec(job)
        if spec is None:
            return self._fail(message, SPEC_UNREADABLE)
        if job.bulk.attempts > MAX_ATTEMPTS:
            return self._fail(message, UNPLANNABLE)
        try:
            self.access.check(spec.input.location, job.tenant_id)
            planned = job if job.bulk.spans is not None else self._plan(message, job, spec, time_left_s)
        except SampleError as error:  # the input can't be read
            return self._fail(message, ErrorReply.from_error(error))
        if planned is None or planned.has_ended or planned.bulk is None or planned.bulk.spans is None:
            return planned
        ended = self.finisher.end_if_complete(planned, spec)
        if ended is None or ended.has_ended:
            return ended
        started = self.dispatcher.start(ended)
        return self.dispatcher.dispatch_if_stuck(started, time_left_s) if started and not started.has_ended else started

    def _begin(self, latest: Job, *, is_redelivered: bool) -> Job | None:
        if latest.has_ended or latest.bulk is None:
            return None
        if latest.status is JobStatus.QUEUED:
            return latest.started(self.clock())
        return latest.with_plan_attempt() if is_redelivered and latest.bulk.spans is None else None

    def _plan(self, message: PlanMessage, job: Job, spec: BulkSpec, time_left_s: Callable[[], float]) -> Job | None:
        """Plan segments until the input ends. Return the job, which isn't planned if the time ran out."""
        latest = self._find_input(message, job, spec)
        if latest is None or latest.has_ended or latest.bulk is None or latest.bulk.etag is None:
            return latest
        number = latest.bulk.segments
        before = self.segments.read(job, number - 1) if number else None
        last = before.last if before else None
        staging = self._staging(job, spec, last)
        chunks = self.inputs.read(spec.input, latest.bulk.etag, after=last, after_key=before.after if before else None)
        spans = plan_spans(staging.watch(chunks) if staging else chunks, spec.input.span_limits, after=last)
        while taken := self._take_spans(spans, staging, time_left_s):
            segment = self._to_segment(spec, taken, before, staging)
            stored = self.segments.write_first(job, number, segment)
            self.dispatcher.dispatch(latest, stored)
            latest = self._record_segment(message, number)
            if latest is None or latest.has_ended or latest.bulk is None or latest.bulk.segments != number + 1:
                return latest  # canceled, or another planner is ahead
            number, before = number + 1, stored
            if stored != segment or time_left_s() < self.stop_s:
                self.plan_queue.send([message])  # the next planner continues after the stored segment
                return latest
        if before is None:
            return self._fail(message, NO_SAMPLES)
        count, samples = before.last.number + 1, before.samples
        return self._update(message, lambda latest: self._to_planned(latest, count, samples))

    def _find_input(self, message: PlanMessage, job: Job, spec: BulkSpec) -> Job | None:
        """Record which content of the input is planned, and what classifies it.

        All planners and workers read this content, or the job fails.
        """
        if job.bulk and job.bulk.etag is not None:
            return job
        found = self.inputs.find(spec.input)
        compute = self.chooser.choose(spec.compute, spec.input, found)

        def record(latest: Job) -> Job | None:
            is_open = not latest.has_ended and latest.bulk is not None and latest.bulk.etag is None
            now = self.clock()
            return latest.with_manifest(now, found.etag or "", compute, now + self.planning_s) if is_open else None

        return self._update(message, record)

    def _staging(self, job: Job, spec: BulkSpec, last: ManifestSpan | None) -> Staging | None:
        if spec.input.kind is InputKind.LINES:
            return None
        return Staging(self.objects, job, spec.input.span_limits, last.stop_byte if last else 0)

    def _take_spans(
        self, spans: Iterator[ManifestSpan], staging: Staging | None, time_left_s: Callable[[], float]
    ) -> list[ManifestSpan]:
        """Plan spans until a segment is full, or the time is short. A shorter segment is as good as a full one."""
        taken: list[ManifestSpan] = []
        for span in spans:
            taken.append(span)
            is_full = len(taken) >= self.segment_spans or (staging is not None and staging.is_full(span.stop_byte))
            if is_full or time_left_s() < self.stop_s:
                break
        return taken

    def _to_segment(
        self, spec: BulkSpec, spans: list[ManifestSpan], before: Segment | None, staging: Staging | None
    ) -> Segment:
        samples = (before.samples if before else 0) + sum(span.samples for span in spans)
        if staging is None:
            return Segment(spans, samples)
        staged, data = staging.store(spans[-1].stop_byte)
        return Segment(spans, samples, staged, last_key(data) if spec.input.kind is InputKind.PREFIX else None)

    def _record_segment(self, message: PlanMessage, number: int) -> Job | None:
        def record(latest: Job) -> Job | None:
            is_next = latest.bulk is not None and latest.bulk.spans is None and latest.bulk.segments == number
            now = self.clock()
            return latest.with_segment(now, number, now + self.planning_s) if is_next and not latest.has_ended else None

        return self._update(message, record)

    def _to_planned(self, latest: Job, spans: int, samples: int) -> Job | None:
        now = self.clock()
        if latest.has_ended or latest.bulk is None or latest.bulk.spans is not None:
            return None
        return latest.planned(now, spans=spans, total=samples, due_at=now + self.stuck_s)

    def _read_spec(self, job: Job) -> BulkSpec | None:
        data = self.objects.get(bulk_spec_key(job.tenant_id, job.id))
        try:
            return decode_spec(data) if data is not None else None
        except ValueError:
            return None

    def _fail(self, message: PlanMessage, error: ErrorReply) -> Job | None:
        return self._update(message, lambda latest: None if latest.has_ended else latest.failed_as_a_whole(self.clock(), error))

    def _update(self, message: PlanMessage, change: JobChange) -> Job | None:
        return JobUpdater(store=self.store, sleep=self.sleep).update(message.tenant_id, message.job_id, change)
