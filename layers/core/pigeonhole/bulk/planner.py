"""Do the next step of a bulk job: plan its spans, queue the spans that aren't complete, or end it.

    manifest: its ETag in the job ──> spans ──> segments of the plan (S3) ──> messages ──> job: segment recorded
    ... until the manifest ends ──> job: planned ──> spans complete ──> results manifest ──> job: succeeded | failed

A segment is a run of consecutive spans. The planner stores a segment, queues its spans, and then records it in the job. So a
planner that is killed plans the last segment again: the same bytes give the same spans, and a span that is queued twice is
classified once. A planner that runs out of time queues a message for the next one.

The sweeper sends a message for a job that makes no progress. All steps may be repeated at any time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from pigeonhole.bulk.access import ManifestAccess
from pigeonhole.bulk.manifest import ManifestSpan, plan_spans
from pigeonhole.bulk.outputs import PartFiles
from pigeonhole.bulk.ports import CompletedSpan, ManifestObject, ManifestStore, SpanQueue, SpanStore
from pigeonhole.bulk.results import ObjectResultStore
from pigeonhole.bulk.spec import BulkSpec, decode_segment, decode_spec, encode_segment
from pigeonhole.contract.bulk import Counts, ResultsManifest
from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.messages import ErrorReply, PlanMessage, SpanMessage
from pigeonhole.errors import InternalError, SampleError
from pigeonhole.jobs.job import Job
from pigeonhole.jobs.ports import JobStore, PlanQueue
from pigeonhole.jobs.update import JobChange, JobUpdater
from pigeonhole.object_keys import bulk_results_prefix, bulk_segment_key, bulk_spec_key
from pigeonhole.ports import ObjectStore

SEGMENT_SPANS = 500
REQUEUED_SPANS = 5_000  # at least as many as all workers of a deployment have in hand
MAX_WARNINGS = 100
SEVERAL_MODELS = "the model was changed while the job ran, so its parts are not all of one revision"
NO_SAMPLES = ErrorReply(code="invalid_request", message="The manifest has no samples.")
MISCOUNTED = ErrorReply(
    code="internal_error", message="The results don't have one row for each line of the manifest. Send the job again."
)
SPEC_UNREADABLE = ErrorReply(
    code="internal_error", message="What the job classifies has expired or was stored by another version. Send it again."
)


@dataclass(frozen=True, kw_only=True)
class BulkPlanner:
    """The service behind functions/plan.

    Attributes:
        stuck_s: After how many seconds without progress the sweeper sends a message again.
        stop_s: How many seconds before the function's end the planner plans no further segment.
        segment_spans: The number of spans in a segment.
    """

    access: ManifestAccess
    store: JobStore
    spans: SpanStore
    objects: ObjectStore
    manifests: ManifestStore
    plan_queue: PlanQueue
    span_queue: SpanQueue
    stuck_s: int = 3_600
    stop_s: float = 30.0
    segment_spans: int = SEGMENT_SPANS
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def advance(self, message: PlanMessage, time_left_s: Callable[[], float]) -> Job | None:
        """Do the next step of a job.

        Args:
            message: Names the job.
            time_left_s: Returns how many seconds the function has left.

        Returns:
            The job as it is then, None if there is none.

        Raises:
            Overloaded: The table, the bucket or the queue is busy. Trying again may help.
        """
        job = self._update(message, lambda latest: latest.started(self.clock()) if latest.status is JobStatus.QUEUED else None)
        if job is None or job.has_ended or job.bulk is None:
            return job
        spec = self._read_spec(job)
        if spec is None:
            return self._fail(message, SPEC_UNREADABLE)
        try:
            self.access.check(spec.manifest, job.tenant_id)
            if job.bulk.spans is None:
                planned = self._plan(message, job, spec, time_left_s)
                is_planned = planned and not planned.has_ended and planned.bulk and planned.bulk.spans is not None
                return self._end_if_complete(message, planned, spec) if planned and is_planned else planned
        except SampleError as error:  # the manifest can't be read
            return self._fail(message, ErrorReply.from_error(error))
        ended = self._end_if_complete(message, job, spec)
        return self._queue_if_stuck(message, ended, time_left_s) if ended and not ended.has_ended else ended

    def _plan(self, message: PlanMessage, job: Job, spec: BulkSpec, time_left_s: Callable[[], float]) -> Job | None:
        """Plan segments until the manifest ends. Return the job, which isn't planned if the time ran out."""
        latest = self._find_manifest(message, job, spec)
        if latest is None or latest.has_ended or latest.bulk is None or latest.bulk.etag is None:
            return latest
        number, etag = latest.bulk.segments, latest.bulk.etag
        planned = [span for earlier in range(number) for span in self._read_segment(job, earlier)]
        last, samples = planned[-1] if planned else None, sum(span.samples for span in planned)
        chunks = self.manifests.open(ManifestObject(spec.manifest, etag)).read(last.stop_byte if last else 0)
        spans = plan_spans(chunks, spec.span_limits, after=last)
        while taken := self._take_segment(spans, time_left_s):
            segment = self._store_segment(job, number, taken)
            self._queue(job, etag, segment)
            latest = self._record_segment(message, number)
            if latest is None or latest.has_ended or latest.bulk is None or latest.bulk.segments != number + 1:
                return latest  # canceled, or another planner is ahead
            number, last = number + 1, segment[-1]
            samples += sum(span.samples for span in segment)
            if segment != taken or time_left_s() < self.stop_s:
                self.plan_queue.send([message])  # the next planner continues after the stored segment
                return latest
        if last is None:
            return self._fail(message, NO_SAMPLES)
        count = last.number + 1
        return self._update(message, lambda latest: self._to_planned(latest, count, samples))

    def _find_manifest(self, message: PlanMessage, job: Job, spec: BulkSpec) -> Job | None:
        """Record which content of the manifest is planned. All planners and workers read this content, or the job fails."""
        if job.bulk and job.bulk.etag is not None:
            return job
        found = self.manifests.find(spec.manifest)

        def record(latest: Job) -> Job | None:
            is_open = not latest.has_ended and latest.bulk is not None and latest.bulk.etag is None
            return latest.with_manifest(self.clock(), found.etag) if is_open else None

        return self._update(message, record)

    def _take_segment(self, spans: Iterator[ManifestSpan], time_left_s: Callable[[], float]) -> list[ManifestSpan]:
        """Plan spans until a segment is full, or the time is short. A shorter segment is as good as a full one."""
        segment: list[ManifestSpan] = []
        for span in spans:
            segment.append(span)
            if len(segment) >= self.segment_spans or time_left_s() < self.stop_s:
                break
        return segment

    def _store_segment(self, job: Job, number: int, spans: list[ManifestSpan]) -> list[ManifestSpan]:
        """Store a segment, and return it. If another planner has stored one of this number, return that one.

        Planners end segments when their time is short, so two may have segments of different lengths.
        """
        key = bulk_segment_key(job.tenant_id, job.id, number)
        is_stored = self.objects.replace(key, encode_segment(spans), "application/json", None)
        return spans if is_stored else self._read_segment(job, number)

    def _record_segment(self, message: PlanMessage, number: int) -> Job | None:
        def record(latest: Job) -> Job | None:
            is_next = latest.bulk is not None and latest.bulk.spans is None and latest.bulk.segments == number
            now = self.clock()
            return latest.with_segment(now, number, now + self.stuck_s) if is_next and not latest.has_ended else None

        return self._update(message, record)

    def _to_planned(self, latest: Job, spans: int, samples: int) -> Job | None:
        now = self.clock()
        if latest.has_ended or latest.bulk is None or latest.bulk.spans is not None:
            return None
        return latest.planned(now, spans=spans, total=samples, due_at=now + self.stuck_s)

    def _end_if_complete(self, message: PlanMessage, job: Job, spec: BulkSpec) -> Job | None:
        """Write the results manifest and end the job, if all spans are complete."""
        counts = self.spans.count(job)
        if job.bulk is None or counts.spans != job.bulk.spans:
            return job
        if counts.succeeded + counts.failed != job.total:
            return self._fail(message, MISCOUNTED)
        self._write_results_manifest(job, spec, sorted(self.spans.list_complete(job), key=lambda span: span.number))
        now = self.clock()
        return self._update(
            message,
            lambda latest: (
                None if latest.has_ended else latest.completed(now, succeeded=counts.succeeded, failed=counts.failed)
            ),
        )

    def _write_results_manifest(self, job: Job, spec: BulkSpec, spans: list[CompletedSpan]) -> None:
        store = ObjectResultStore(self.objects, bulk_results_prefix(job.tenant_id, job.id))
        failed = sum(span.failed for span in spans)
        succeeded = sum(span.results.rows for span in spans)
        models = list(dict.fromkeys((span.model_id, span.model_revision) for span in spans))
        warnings = [SEVERAL_MODELS] if len(models) > 1 else []
        warnings += dict.fromkeys(warning for span in spans for warning in span.warnings)
        manifest = ResultsManifest(
            input=f"s3://{spec.manifest.bucket}/{spec.manifest.object_key}",
            model_id=models[-1][0],
            model_revision=models[-1][1],
            labels=list(dict.fromkeys(label.name for label in spec.options.labels)),
            options=spec.options.model_dump(mode="json", exclude_defaults=True, exclude={"labels"}),
            counts=Counts(total=succeeded + failed, succeeded=succeeded, failed=failed),
            results=[span.results for span in spans],
            errors=[span.errors for span in spans if span.errors],
            warnings=warnings[:MAX_WARNINGS],
        )
        PartFiles(store=store, format=spec.output).write_manifest(manifest)

    def _queue_if_stuck(self, message: PlanMessage, job: Job, time_left_s: Callable[[], float]) -> Job | None:
        """Queue spans that aren't complete again, if none was completed for long: their messages may be lost.

        The first ones are enough to make progress. The pauses double while a job makes no progress in a long queue. The job
        is postponed first, so that a planner that is killed here isn't followed by the next one at once.
        """
        now, progress_at = self.clock(), max(job.updated_at, self.spans.count(job).updated_at or 0)
        if job.bulk is None or job.bulk.etag is None or now < progress_at + self.stuck_s:
            return job
        due_at = now + max(self.stuck_s, now - progress_at)
        postponed = self._update(message, lambda latest: None if latest.has_ended else latest.with_next_check(due_at))
        complete, queued = {span.number for span in self.spans.list_complete(job)}, 0
        for number in range(job.bulk.segments):
            if queued >= REQUEUED_SPANS or time_left_s() < self.stop_s:
                break
            spans = [span for span in self._read_segment(job, number) if span.number not in complete]
            self._queue(job, job.bulk.etag, spans)
            queued += len(spans)
        return postponed

    def _queue(self, job: Job, etag: str, spans: list[ManifestSpan]) -> None:
        messages = [SpanMessage(tenant_id=job.tenant_id, job_id=job.id, etag=etag, **asdict(span)) for span in spans]
        if messages:
            self.span_queue.send(messages)

    def _read_spec(self, job: Job) -> BulkSpec | None:
        data = self.objects.get(bulk_spec_key(job.tenant_id, job.id))
        try:
            return decode_spec(data) if data is not None else None
        except ValueError:
            return None

    def _read_segment(self, job: Job, number: int) -> list[ManifestSpan]:
        data = self.objects.get(bulk_segment_key(job.tenant_id, job.id, number))
        if data is None:
            raise InternalError() from LookupError("a segment of a plan was deleted before its job expired")
        return decode_segment(data)

    def _fail(self, message: PlanMessage, error: ErrorReply) -> Job | None:
        return self._update(message, lambda latest: None if latest.has_ended else latest.failed_as_a_whole(self.clock(), error))

    def _update(self, message: PlanMessage, change: JobChange) -> Job | None:
        return JobUpdater(store=self.store, sleep=self.sleep).update(message.tenant_id, message.job_id, change)
