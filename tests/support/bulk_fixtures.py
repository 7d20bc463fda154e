"""The services of bulk jobs over fakes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from pigeonhole.bulk.access import ManifestAccess
from pigeonhole.bulk.costs.compute import GpuWorkers, LambdaWorkers
from pigeonhole.bulk.dead_letters import SpanAbandoner
from pigeonhole.bulk.gpu.failures import GpuFailureHandler
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
from pigeonhole.bulk.ports import ManifestLocation
from pigeonhole.bulk.spec import BulkInput, BulkSpec, encode_spec
from pigeonhole.bulk.worker import SpanWorker
from pigeonhole.contract.bulk import BulkOptions, Compute, OutputFormat
from pigeonhole.contract.commands import ChunkResult, ClassifyCommand, S3Grant
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.ids import new_id
from pigeonhole.jobs.cancel import JobCanceler
from pigeonhole.jobs.job import BulkPlan, Job
from pigeonhole.jobs.submit import JobRules
from pigeonhole.jobs.sweep import JobSweeper
from pigeonhole.object_keys import bulk_results_prefix, bulk_spec_key, incoming_grant, uploads_grant
from support.fakes import FakeBlobStore, FakeChunkQueue, FakeJobStore, FakeObjectStore, FakeTenantStore, FakeWebhookQueue
from support.fakes.bulk import FakeFailedSpanQueue, FakeManifestStore, FakePlanQueue, FakeSpanQueue, FakeSpanStore
from support.job_fixtures import ACME, FakePipeline, even_or_odd

BUCKET = "data"
JOB_BUCKET = "jobs"
GRANTED = replace(ACME, grants=(S3Grant(bucket=BUCKET, prefix="acme/"),))
OPTIONS = BulkOptions.model_validate({"labels": [{"type": "text", "value": "even"}, {"type": "text", "value": "odd"}]})


def to_line(value: str) -> bytes:
    """Return a line of a manifest, whose `custom_id` is its value."""
    return json.dumps({"type": "text", "value": value, "custom_id": value}).encode() + b"\n"


@dataclass
class Bulk:
    """Every service of bulk jobs, over fakes.

    Attributes:
        run: Classifies the samples of a command.
        now: The time of the services' clock, which sleeping advances.
    """

    store: Any = field(default_factory=FakeJobStore)
    spans: Any = field(default_factory=FakeSpanStore)
    objects: Any = field(default_factory=FakeObjectStore)
    manifests: Any = field(default_factory=FakeManifestStore)
    blobs: Any = field(default_factory=FakeBlobStore)
    failed_spans: Any = field(default_factory=FakeFailedSpanQueue)
    runner: Any = None
    plan_queue: Any = field(default_factory=FakePlanQueue)
    span_queue: Any = field(default_factory=FakeSpanQueue)
    tenants: Any = field(default_factory=lambda: FakeTenantStore({"acme": GRANTED}))
    run: Callable[..., ChunkResult] = even_or_odd
    rules: JobRules = field(default_factory=lambda: JobRules(keep_s=1_000, stuck_s=300))
    now: float = 1_000.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    @cached_property
    def planner(self) -> BulkPlanner:
        inputs, segments = InputReader(manifests=self.manifests), SegmentStore(objects=self.objects)
        return BulkPlanner(
            access=self.access,
            store=self.store,
            objects=self.objects,
            inputs=inputs,
            segments=segments,
            chooser=ComputeChooser(
                estimator=InputEstimator(inputs=inputs),
                lambda_workers=LambdaWorkers(workers=10, memory_mb=3_008, threads=2),
                gpu_workers=GpuWorkers(workers=4) if self.runner else None,
            ),
            dispatcher=SpanDispatcher(
                store=self.store,
                spans=self.spans,
                segments=segments,
                span_queue=self.span_queue,
                tasks=self.tasks,
                runner=self.runner,
                stuck_s=self.rules.stuck_s,
                clock=self.clock,
                sleep=self.sleep,
            ),
            finisher=BulkFinisher(store=self.store, spans=self.spans, objects=self.objects, clock=self.clock, sleep=self.sleep),
            plan_queue=self.plan_queue,
            stuck_s=self.rules.stuck_s,
            segment_spans=2,
            clock=self.clock,
            sleep=self.sleep,
        )

    @cached_property
    def worker(self) -> SpanWorker:
        def run(command: ClassifyCommand, **options: Any) -> ChunkResult:
            return self.run(command, **options)

        return SpanWorker(
            opener=self.opener,
            store=self.store,
            spans=self.spans,
            access=self.access,
            objects=self.objects,
            plan_queue=self.plan_queue,
            span_queue=self.span_queue,
            pipeline=FakePipeline(run),
            texts=TextObjectReader(blobs=self.blobs, limits=RequestLimits()),
            model_id="tiny",
            model_revision="abc",
            threads=1,
            piece_samples=2,
        )

    @cached_property
    def access(self) -> ManifestAccess:
        return ManifestAccess(
            tenants=self.tenants,
            uploads=lambda tenant_id: uploads_grant(tenant_id, "uploads"),
            incoming=lambda tenant_id: incoming_grant(tenant_id, "uploads"),
        )

    @cached_property
    def opener(self) -> SpanOpener:
        return SpanOpener(
            store=self.store,
            spans=self.spans,
            objects=self.objects,
            bucket=JOB_BUCKET,
            manifests=self.manifests,
            limits=RequestLimits(),
            clock=self.clock,
            sleep=self.sleep,
        )

    @cached_property
    def canceler(self) -> JobCanceler:
        return JobCanceler(store=self.store, plan_queue=self.plan_queue, clock=self.clock, sleep=self.sleep)

    @cached_property
    def tasks(self) -> GpuTaskStore:
        return GpuTaskStore(objects=self.objects, task_spans=2)

    @cached_property
    def gpu_failures(self) -> GpuFailureHandler:
        return GpuFailureHandler(
            store=self.store,
            spans=self.spans,
            tasks=self.tasks,
            failed_spans=self.failed_spans,
            runner=self.runner,
            clock=self.clock,
            sleep=self.sleep,
        )

    @cached_property
    def abandoner(self) -> SpanAbandoner:
        return SpanAbandoner(opener=self.opener, spans=self.spans, span_queue=self.span_queue)

    @cached_property
    def sweeper(self) -> JobSweeper:
        return JobSweeper(
            store=self.store,
            queue=FakeChunkQueue(),
            webhooks=FakeWebhookQueue(),
            plan_queue=self.plan_queue,
            rules=self.rules,
            clock=self.clock,
            sleep=self.sleep,
        )

    def __post_init__(self) -> None:
        self.manifests.staged = lambda bucket, key: self.objects.objects.get(key) if bucket == JOB_BUCKET else None

    def submit(
        self,
        manifest: bytes,
        *,
        span_samples: int = 3,
        output: OutputFormat = OutputFormat.JSONL,
        name: str = "{number}.jsonl",
        compute: Compute = Compute.AUTO,
    ) -> Job:
        """Store a manifest and a job over it. The message to the planner is left to the sweeper."""
        number = len(self.manifests.objects)
        location = ManifestLocation(BUCKET, f"acme/{name.format(number=number)}")
        self.manifests.objects[BUCKET, location.object_key] = (manifest, f"etag-{number}")
        return self.submit_input(
            location, InputKind.from_name(location.object_key), span_samples=span_samples, output=output, compute=compute
        )

    def submit_input(
        self,
        location: ManifestLocation,
        kind: InputKind,
        *,
        span_samples: int = 3,
        output: OutputFormat = OutputFormat.JSONL,
        compute: Compute = Compute.AUTO,
    ) -> Job:
        """Store a job over an input."""
        limits = SpanLimits(samples=span_samples, span_bytes=10_000, line_bytes=1_000, max_line_bytes=2_500)
        job = Job(
            tenant_id=ACME.id,
            id=new_id(self.now),
            total=0,
            chunk_size=0,
            multiple_labels=False,
            created_at=self.now,
            updated_at=self.now,
            expires_at=int(self.now) + self.rules.keep_s,
            due_at=self.now,
            bulk=BulkPlan(),
        )
        spec = encode_spec(
            BulkSpec(log_id="log", input=BulkInput(location, kind, limits), options=OPTIONS, output=output, compute=compute)
        )
        self.objects.put(bulk_spec_key(job.tenant_id, job.id), spec, "application/json")
        self.store.create(job, None)
        return job

    def results(self, job: Job) -> dict[str, Any]:
        """Return the results of a job by file: the rows of its parts, and its results manifest."""
        prefix = bulk_results_prefix(job.tenant_id, job.id)
        files = {key.removeprefix(prefix): data for key, data in self.objects.objects.items() if key.startswith(prefix)}
        return {
            name: json.loads(data) if name.endswith(".json") else [json.loads(line) for line in data.splitlines()]
            for name, data in files.items()
        }


def unzip(data: bytes) -> Any:
    """Return the content of a stored piece."""
    return json.loads(gzip.decompress(data))
