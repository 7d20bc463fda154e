"""A bulk job over AWS in this process: the real planner, worker and adapters, a generated manifest, and a simulated clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from counted_aws import BUCKET, TABLE, CountedAws, Ledger
from pigeonhole.aws.dynamodb.jobs import DynamoJobStore
from pigeonhole.aws.dynamodb.spans import DynamoSpanStore
from pigeonhole.aws.s3 import S3BlobStore, S3ObjectStore
from pigeonhole.aws.sqs import SqsQueue
from pigeonhole.bulk.access import ManifestAccess
from pigeonhole.bulk.costs.compute import LambdaWorkers
from pigeonhole.bulk.gpu_tasks import GpuTaskStore
from pigeonhole.bulk.inputs.kinds import InputKind
from pigeonhole.bulk.inputs.reader import InputReader
from pigeonhole.bulk.inputs.text_objects import TextObjectReader
from pigeonhole.bulk.manifest import SpanLimits
from pigeonhole.bulk.open_span import SpanOpener
from pigeonhole.bulk.planning.choose import ComputeChooser
from pigeonhole.bulk.planning.dispatch import SpanDispatcher
from pigeonhole.bulk.planning.estimate import InputEstimator
from pigeonhole.bulk.planning.finish import BulkFinisher
from pigeonhole.bulk.planning.planner import BulkPlanner
from pigeonhole.bulk.planning.segments import SegmentStore
from pigeonhole.bulk.ports import CompletedSpan, ManifestLocation, ManifestObject, SpanCounts
from pigeonhole.bulk.spec import BulkInput, BulkSpec, encode_spec
from pigeonhole.bulk.worker import SpanWorker
from pigeonhole.contract.bulk import BulkOptions, OutputFormat
from pigeonhole.contract.commands import ChunkResult, ClassifyCommand, S3Grant
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.messages import PlanMessage, SpanMessage
from pigeonhole.contract.questions import list_questions
from pigeonhole.ids import new_id
from pigeonhole.jobs.job import BulkPlan, Job
from pigeonhole.object_keys import bulk_spec_key
from pigeonhole.tenants.tenant import Tenant

LINE_BYTES, CHUNK_LINES = 100, 10_000
STREAM_BYTES_PER_S = 90e6  # an assumption: what one GET gives a planner
CALL_S = 0.01  # an assumption: of one call to AWS
PLAN_TIMEOUT_S, WORKER_TIMEOUT_S = 300.0, 120.0  # of functions/plan, and of functions/worker
TENANT = Tenant("acme", 0, grants=(S3Grant(bucket="data", prefix="acme/"),))
LOCATION = ManifestLocation("data", "acme/in.jsonl")
OPTIONS = BulkOptions.model_validate({"labels": [{"type": "text", "value": "late"}, {"type": "text", "value": "torn"}]})
MODEL, REVISION = "clip-b32", "0" * 16


@dataclass
class Clock:
    """A clock that only work advances."""

    now_s: float = 1.8e9

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Advance the time."""
        self.now_s += seconds


def make_chunk() -> bytes:
    """Return lines of equal length, which the manifest repeats."""
    start, end = b'{"type": "text", "value": "The parcel arrived late and the box was torn.', b'"}\n'
    fill = LINE_BYTES - len(start) - len(end)
    return b"".join(start + f"{k:>{fill}}".encode() + end for k in range(CHUNK_LINES))


@dataclass(frozen=True)
class GeneratedManifest:
    """A manifest of any length: a ManifestStore, and the ManifestSource of its one object.

    Attributes:
        lines: The number of lines.
        ledger: Counts a GET for each range.
        clock: Reading takes time.
        chunk: The bytes that repeat.
    """

    lines: int
    ledger: Ledger
    clock: Clock
    chunk: bytes = field(default_factory=make_chunk)

    @property
    def size_bytes(self) -> int:
        """The size of the manifest."""
        return self.lines * LINE_BYTES

    def find(self, location: ManifestLocation) -> ManifestObject:
        """Return the object."""
        self.ledger.add_get(LOCATION.object_key)
        return ManifestObject(location, "etag")

    def open(self, manifest: ManifestObject) -> GeneratedManifest:
        """Return the source of the object."""
        return self

    def read(self, start_byte: int = 0, stop_byte: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of a range."""
        self.ledger.add_get(LOCATION.object_key)
        end = self.size_bytes if stop_byte is None else stop_byte
        while start_byte < end:
            offset = start_byte % len(self.chunk)
            data = self.chunk[offset : offset + end - start_byte]
            self.clock.sleep(len(data) / STREAM_BYTES_PER_S)
            start_byte += len(data)
            yield data


@dataclass(frozen=True)
class OneTenant:
    """The TenantStore of one tenant. Each read is counted."""

    ledger: Ledger

    def get_tenant(self, tenant_id: str) -> Tenant:
        """Return the tenant."""
        self.ledger.billed["read_units"] += 1
        return TENANT


@dataclass
class TimedPipeline:
    """A pipeline that answers at once, and advances the clock by the time that a model would take.

    Attributes:
        clock: The clock.
        sample_s: The time for a sample.
    """

    clock: Clock
    sample_s: float = 0.0

    def ask(self, command: ClassifyCommand) -> list[ChunkResult]:
        """Choose the first label of each question for each sample."""
        count = len(command.request.dataset)
        self.clock.sleep(count * self.sample_s)
        labels = [asked.labels[0].name for asked in list_questions(command.request)]
        return [
            ChunkResult(predictions=[[label]] * count, errors=[], inference_ms=0, input_tokens=0, output_tokens=0)
            for label in labels
        ]


@dataclass(frozen=True)
class AllComplete:
    """The SpanStore of a job whose spans are all complete."""

    example: CompletedSpan
    spans: int

    def count(self, job: Job) -> SpanCounts:
        """Return the counts."""
        return SpanCounts(self.spans, self.spans * self.example.results.rows, 0, job.updated_at)

    def list_complete(self, job: Job) -> Iterator[CompletedSpan]:
        """Yield the spans."""
        for number in range(self.spans):
            part = replace(self.example.results, name=f"part-{number:05d}.jsonl")
            yield CompletedSpan(number, part, None, MODEL, REVISION)


def to_message(job: Job) -> PlanMessage:
    """Return the message to the planner of a job."""
    return PlanMessage(tenant_id=job.tenant_id, job_id=job.id)


@dataclass
class SimulatedJob:
    """The services of one bulk job.

    Attributes:
        aws: The clients, and what they count.
        lines: The number of lines of the manifest.
        clock: The clock of all services.
    """

    aws: CountedAws
    lines: int
    clock: Clock = field(default_factory=Clock)

    @cached_property
    def pipeline(self) -> TimedPipeline:
        """What classifies."""
        return TimedPipeline(self.clock)

    @cached_property
    def worker(self) -> SpanWorker:
        """The service of functions/worker."""
        opener = SpanOpener(
            store=self._store,
            spans=self._spans,
            objects=self._objects,
            bucket=BUCKET,
            manifests=self.manifest,
            limits=RequestLimits(),
            clock=self.clock,
            sleep=self.clock.sleep,
        )
        return SpanWorker(
            opener=opener,
            store=self._store,
            spans=self._spans,
            access=self._access,
            objects=self._objects,
            plan_queue=self._queue,
            span_queue=self._queue,
            pipeline=self.pipeline,
            texts=TextObjectReader(blobs=S3BlobStore(self.aws.s3), limits=RequestLimits()),
            model_id=MODEL,
            model_revision=REVISION,
            threads=1,
        )

    def submit(self) -> PlanMessage:
        """Store a job, and return the message to the planner."""
        now = self.clock()
        job = Job(
            tenant_id=TENANT.id,
            id=new_id(now),
            total=0,
            chunk_size=0,
            multiple_labels=False,
            created_at=now,
            updated_at=now,
            expires_at=int(now) + 7 * 86_400,
            due_at=now + 900,
            bulk=BulkPlan(),
        )
        bulk_input = BulkInput(LOCATION, InputKind.LINES, SpanLimits())
        spec = encode_spec(BulkSpec(log_id="log", input=bulk_input, options=OPTIONS, output=OutputFormat.JSONL))
        self._objects.put(bulk_spec_key(job.tenant_id, job.id), spec, "application/json")
        self._store.create(job, None)
        return to_message(job)

    def complete_spans(self, job: Job) -> list[CompletedSpan]:
        """Read the complete spans of the job."""
        return [*self._spans.list_complete(job)]

    def plan(self, message: PlanMessage) -> tuple[Job, int]:
        """Plan the whole manifest, one run of functions/plan after the other. Return the job and the number of runs."""
        runs = 0
        while True:
            runs += 1
            job = self.advance(message)
            if job.bulk and job.bulk.spans is not None:
                return job, runs

    def advance(self, message: PlanMessage, spans: Any = None) -> Job:
        """Let a planner do the next step of the job, over the spans of the table or other ones."""
        planner = self._planner(spans or self._spans)
        started_s, calls = self.clock(), self.aws.ledger.calls
        self._count_run()

        def time_left_s() -> float:
            return PLAN_TIMEOUT_S - (self.clock() - started_s) - (self.aws.ledger.calls - calls) * CALL_S

        job = planner.advance(message, time_left_s)
        self.clock.sleep((self.aws.ledger.calls - calls) * CALL_S)
        if job is None:
            raise LookupError("the job is gone")
        return job

    def _planner(self, spans: Any) -> BulkPlanner:
        inputs, segments = InputReader(manifests=self.manifest), SegmentStore(objects=self._objects)  # type: ignore[arg-type]
        return BulkPlanner(
            access=self._access,
            store=self._store,
            objects=self._objects,
            inputs=inputs,
            segments=segments,
            chooser=ComputeChooser(
                estimator=InputEstimator(inputs=inputs), lambda_workers=LambdaWorkers(workers=1, memory_mb=3_008, threads=1)
            ),
            dispatcher=SpanDispatcher(
                store=self._store,
                spans=spans,
                segments=segments,
                span_queue=self._queue,
                tasks=GpuTaskStore(objects=self._objects),
                clock=self.clock,
                sleep=self.clock.sleep,
            ),
            finisher=BulkFinisher(
                store=self._store, spans=spans, objects=self._objects, clock=self.clock, sleep=self.clock.sleep
            ),
            plan_queue=self._queue,
            clock=self.clock,
            sleep=self.clock.sleep,
        )

    def _count_run(self) -> None:
        self.aws.ledger.billed["runs"] += 1
        self.aws.ledger.billed["sqs_requests"] += 2  # Lambda receives and deletes the message

    def process(self, messages: Sequence[SpanMessage]) -> list[Ledger]:
        """Let workers process spans, each in as many runs as it takes. Return what was counted for each span."""
        ledgers = []
        for message in messages:
            before, is_complete = self.aws.ledger.copy(), False
            while not is_complete:
                self._count_run()
                ends_s = self.clock() + WORKER_TIMEOUT_S
                is_complete = self.worker.process(message, lambda ends_s=ends_s: ends_s - self.clock()) is not None  # type: ignore[misc]
            ledgers.append(self.aws.ledger - before)
        return ledgers

    @cached_property
    def _store(self) -> DynamoJobStore:
        return DynamoJobStore(self.aws.dynamodb, TABLE)

    @cached_property
    def _spans(self) -> DynamoSpanStore:
        return DynamoSpanStore(self.aws.dynamodb, TABLE)

    @cached_property
    def _objects(self) -> S3ObjectStore:
        return S3ObjectStore(self.aws.s3, BUCKET)

    @cached_property
    def _queue(self) -> SqsQueue:
        return SqsQueue(self.aws.sqs, "queue")  # type: ignore[arg-type]

    @cached_property
    def manifest(self) -> GeneratedManifest:
        """The manifest."""
        return GeneratedManifest(self.lines, self.aws.ledger, self.clock)

    @cached_property
    def _access(self) -> ManifestAccess:
        uploads = S3Grant(bucket="uploads", prefix="uploads/")
        return ManifestAccess(tenants=OneTenant(self.aws.ledger), uploads=lambda _: uploads, incoming=lambda _: uploads)  # type: ignore[arg-type]
