"""Jobs, parts and messages for tests, and the services of jobs over fakes."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from pigeonhole.api.answers import to_results_document
from pigeonhole.api.classify import ClassificationService, DirectClassifier, DirectRules
from pigeonhole.api.job_responder import JobResponder
from pigeonhole.bulk.access import ManifestAccess
from pigeonhole.bulk.create import BulkJobCreator
from pigeonhole.bulk.manifest import SpanLimits
from pigeonhole.bulk.read import BulkJobReader
from pigeonhole.bulk.submit import BulkSubmitter
from pigeonhole.contract.classification import ClassificationRequest, SampleFault
from pigeonhole.contract.commands import ChunkResult, ClassifyCommand
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.messages import ChunkMessage
from pigeonhole.contract.spans import Span
from pigeonhole.jobs.assemble import JobResultsAssembler
from pigeonhole.jobs.cancel import JobCanceler
from pigeonhole.jobs.dead_letters import MIN_RETRIES, DeadLetterHandler
from pigeonhole.jobs.job import Job, Part
from pigeonhole.jobs.parts import INLINE_BYTES, PartWriter
from pigeonhole.jobs.read import JobReader
from pigeonhole.jobs.redrive import JobRedriver
from pigeonhole.jobs.submit import JobRules, JobSubmitter
from pigeonhole.jobs.sweep import JobSweeper
from pigeonhole.jobs.worker import ChunkWorker
from pigeonhole.label_sets.apply import LabelSetApplier
from pigeonhole.label_sets.service import LabelSetService
from pigeonhole.notifications.job_ended import JobEndNotifier
from pigeonhole.notifications.webhook_delivery import WebhookDeliverer
from pigeonhole.object_keys import incoming_grant, uploads_grant
from pigeonhole.tenants.tenant import Tenant, WebhookSecret
from pigeonhole.uploads.ingest import UploadIngester
from pigeonhole.uploads.publish_results import JobResultsPublisher, UploadResultsPublisher
from pigeonhole.uploads.read_results import UploadResultReader
from support.fakes import (
    FakeChunkQueue,
    FakeClassifierClient,
    FakeEventBus,
    FakeJobStore,
    FakeLabelSetStore,
    FakeObjectStore,
    FakePoster,
    FakeTenantStore,
    FakeUploadResultStore,
    FakeUploadTags,
    FakeWebhookQueue,
    FakeWebhookSecretStore,
)
from support.fakes.bulk import FakePlannerClient, FakePlanQueue, FakeSpanStore

ID = f"{1_000_000:012x}" + "0" * 20
JOB = Job(
    tenant_id="acme",
    id=ID,
    total=10,
    chunk_size=4,
    multiple_labels=False,
    created_at=1_000.5,
    updated_at=1_000.5,
    expires_at=100_000,
    due_at=1_060.5,
)


def job(**changes: Any) -> Job:
    """Make a new job of ten samples in chunks of four."""
    return replace(JOB, **changes)


def job_id(milliseconds: int) -> str:
    """Make the id of a job that was submitted at that time."""
    return f"{milliseconds:012x}" + "a" * 20


def part(start: int, stop: int, *, failed: int = 0, data: bytes | None = b"results", object_key: str | None = None) -> Part:
    return Part(Span(start, stop), stop - start - failed, failed, data=data, object_key=object_key)


def message(start: int = 0, stop: int = 4, **changes: Any) -> ChunkMessage:
    return ChunkMessage.model_validate({"tenant_id": "acme", "job_id": ID, "start": start, "stop": stop} | changes)


SECRET = WebhookSecret("whsec_" + base64.b64encode(b"0" * 32).decode(), created_at=0)
HOOK = "https://acme.example.com/hook"
ACME, ZETA = Tenant("acme", created_at=0), Tenant("zeta", created_at=0)
BAD = "unreadable"  # a sample of this value has an error in place of a result


def request(count: int, **more: Any) -> ClassificationRequest:
    """Make a request of so many texts, each its own number, to be classified as even or odd."""
    body = {
        "dataset": [{"type": "text", "value": str(number)} for number in range(count)],
        "labels": [{"type": "text", "value": "even"}, {"type": "text", "value": "odd"}],
    }
    return ClassificationRequest.model_validate(body | more, context=RequestLimits(max_samples=10_000))


def even_or_odd(command: ClassifyCommand, *, should_continue: Callable[[], bool] = lambda: True) -> ChunkResult:
    """Classify as InferencePipeline does, two samples at a time: numbers as even or odd, BAD as an error."""
    predictions: list[list[str] | None] = []
    errors = []
    for index, sample in enumerate(command.request.dataset):
        if index and index % 2 == 0 and not should_continue():
            break
        is_bad = sample.value == BAD
        predictions.append(None if is_bad else [("even", "odd")[int(sample.value) % 2]])
        if is_bad:
            errors.append(SampleFault(index=command.first_index + index, code="unreadable_image", message="it is bad"))
    count = len(predictions)
    return ChunkResult(
        predictions=predictions, errors=errors, input_tokens=10 + count, label_tokens=10, output_tokens=count, inference_ms=1
    )


@dataclass
class FakePipeline:
    """An InferencePipeline that runs a function, which returns the result of labels or those of questions."""

    run: Callable[..., ChunkResult | list[ChunkResult]]

    def ask(self, command: ClassifyCommand, **options: Any) -> list[ChunkResult]:
        results = self.run(command, **options)
        return results if isinstance(results, list) else [results]


@dataclass
class Jobs:
    """Every service that works on jobs, over fakes.

    Attributes:
        run: Classifies the samples of a command.
        now: The time of the services' clock, which sleeping advances.
    """

    store: Any = field(default_factory=FakeJobStore)
    objects: Any = field(default_factory=FakeObjectStore)
    queue: Any = field(default_factory=FakeChunkQueue)
    webhooks: Any = field(default_factory=FakeWebhookQueue)
    bus: Any = field(default_factory=FakeEventBus)
    secrets: Any = field(default_factory=lambda: FakeWebhookSecretStore({"acme": (SECRET,)}))
    poster: Any = field(default_factory=FakePoster)
    label_sets: Any = field(default_factory=FakeLabelSetStore)
    classifier: Any = field(default_factory=FakeClassifierClient)
    uploaded: Any = field(default_factory=FakeObjectStore)  # the upload bucket, and its results
    tags: Any = field(default_factory=FakeUploadTags)
    results: Any = field(default_factory=FakeUploadResultStore)
    tenants: Any = field(default_factory=lambda: FakeTenantStore({"acme": ACME}))
    plan_queue: Any = field(default_factory=FakePlanQueue)
    spans: Any = field(default_factory=FakeSpanStore)
    run: Callable[..., ChunkResult | list[ChunkResult]] = even_or_odd
    rules: JobRules = field(default_factory=lambda: JobRules(text_chunk=4, image_chunk=2, keep_s=1_000, stuck_s=300))
    inline_bytes: int = INLINE_BYTES
    max_answer_bytes: int = 4_000_000
    now: float = 1_000.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    @cached_property
    def submitter(self) -> JobSubmitter:
        return JobSubmitter(
            store=self.store,
            objects=self.objects,
            queue=self.queue,
            secrets=self.secrets,
            rules=self.rules,
            clock=self.clock,
            sleep=self.sleep,
        )

    @cached_property
    def sets(self) -> LabelSetService:
        return LabelSetService(
            store=self.label_sets,
            objects=self.objects,
            classifier=self.classifier,
            limits=RequestLimits(),
            bucket="jobs",
            clock=self.clock,
        )

    @cached_property
    def label_set_applier(self) -> LabelSetApplier:
        return LabelSetApplier(store=self.label_sets)

    @cached_property
    def reader(self) -> JobReader:
        return JobReader(store=self.store, objects=self.objects, clock=self.clock, sleep=self.sleep)

    @cached_property
    def results_assembler(self) -> JobResultsAssembler:
        return JobResultsAssembler(
            store=self.store,
            objects=self.objects,
            job_reader=self.reader,
            render=to_results_document,
            max_answer_bytes=self.max_answer_bytes,
            sleep=self.sleep,
        )

    @cached_property
    def responder(self) -> JobResponder:
        return JobResponder(job_reader=self.reader, results_assembler=self.results_assembler, bulk_reader=self.bulk_reader)

    @cached_property
    def bulk_reader(self) -> BulkJobReader:
        return BulkJobReader(spans=self.spans, objects=self.objects, bucket="jobs")

    @cached_property
    def planner_client(self) -> FakePlannerClient:
        return FakePlannerClient()

    @cached_property
    def bulk_creator(self) -> BulkJobCreator:
        return BulkJobCreator(jobs=self.submitter, plan_queue=self.plan_queue, span_limits=SpanLimits(samples=2))

    @cached_property
    def bulk_submitter(self) -> BulkSubmitter:
        return BulkSubmitter(
            creator=self.bulk_creator,
            label_sets=self.label_set_applier,
            planner=self.planner_client,
            access=ManifestAccess(
                tenants=self.tenants,
                uploads=lambda tenant_id: uploads_grant(tenant_id, "uploads"),
                incoming=lambda tenant_id: incoming_grant(tenant_id, "uploads"),
            ),
            limits=RequestLimits(),
        )

    def classification(self, **job_limits: Any) -> ClassificationService:
        """The service behind the routes that take requests. `job_limits`: fields of its RequestLimits for jobs."""
        return ClassificationService(
            direct=DirectClassifier(classifier=self.classifier),
            jobs=self.submitter,
            job_reader=self.reader,
            label_sets=self.label_set_applier,
            limits=RequestLimits(),
            job_limits=RequestLimits(**job_limits),
            rules=DirectRules(),
        )

    @cached_property
    def canceler(self) -> JobCanceler:
        return JobCanceler(store=self.store, plan_queue=self.plan_queue, clock=self.clock, sleep=self.sleep)

    @cached_property
    def parts(self) -> PartWriter:
        return PartWriter(
            store=self.store,
            objects=self.objects,
            inline_bytes=self.inline_bytes,
            clock=self.clock,
            sleep=self.sleep,
        )

    @property
    def worker(self) -> ChunkWorker:
        return ChunkWorker(
            store=self.store,
            tenants=self.tenants,
            objects=self.objects,
            queue=self.queue,
            pipeline=FakePipeline(self.run),
            parts=self.parts,
            results_assembler=self.results_assembler,
            stop_s=30,
        )

    @cached_property
    def dead_letters(self) -> DeadLetterHandler:
        return DeadLetterHandler(store=self.store, queue=self.queue, parts=self.parts, clock=self.clock)

    @cached_property
    def redriver(self) -> JobRedriver:
        tenants = FakeTenantStore({ACME.id: ACME, ZETA.id: ZETA})
        return JobRedriver(
            tenants=tenants,
            store=self.store,
            objects=self.objects,
            queue=self.queue,
            secrets=self.secrets,
            clock=self.clock,
            sleep=self.sleep,
        )

    @cached_property
    def sweeper(self) -> JobSweeper:
        return JobSweeper(
            store=self.store,
            queue=self.queue,
            webhooks=self.webhooks,
            plan_queue=self.plan_queue,
            rules=self.rules,
            clock=self.clock,
            sleep=self.sleep,
        )

    @cached_property
    def notifier(self) -> JobEndNotifier:
        return JobEndNotifier(
            store=self.store,
            bus=self.bus,
            webhooks=self.webhooks,
            publisher=self.job_results_publisher,
            clock=self.clock,
            sleep=self.sleep,
        )

    @property
    def job_results_publisher(self) -> JobResultsPublisher:
        return JobResultsPublisher(
            job_reader=self.reader,
            objects=self.objects,
            job_bucket="jobs",
            uploaded=self.uploaded,
            publisher=self.publisher,
            clock=self.clock,
        )

    @cached_property
    def publisher(self) -> UploadResultsPublisher:
        return UploadResultsPublisher(results=self.results, tags=self.tags, bus=self.bus, bucket="uploads")

    @cached_property
    def ingester(self) -> UploadIngester:
        return UploadIngester(
            tenants=self.tenants,
            label_sets=self.label_set_applier,
            jobs=self.submitter,
            bulk=self.bulk_creator,
            files=self.uploaded,
            results=self.results,
            publisher=self.publisher,
            limits=RequestLimits(max_samples=10_000),
            bucket="uploads",
            keep_s=1_000,
            clock=self.clock,
        )

    @property
    def upload_result_reader(self) -> UploadResultReader:
        return UploadResultReader(
            store=self.results, jobs=self.store, bulk=self.bulk_reader, bucket="uploads", clock=self.clock
        )

    @cached_property
    def deliverer(self) -> WebhookDeliverer:
        return WebhookDeliverer(store=self.store, secrets=self.secrets, poster=self.poster, clock=self.clock, sleep=self.sleep)

    def submitted(self, count: int, *, tenant: Tenant = ACME, webhook_url: str | None = None, **more: Any) -> Job:
        return self.submitter.submit(request(count, **more), tenant=tenant, log_id="log-1", webhook_url=webhook_url)

    def notify(self) -> None:
        """Publish the ends that the stream delivered."""
        while self.store.stream:
            self.notifier.notify(*self.store.stream.pop(0))

    def abandon(self, message: ChunkMessage) -> Part | None:
        """Fail the samples of a message that have no results, as after its last attempt. Return the part with the errors."""
        job = self.store.get(message.tenant_id, message.job_id)
        for _ in range(MIN_RETRIES):
            self.store.add_attempt(job, Span(message.start, message.stop))
        return self.dead_letters.handle(message).part

    def take(self) -> ChunkMessage:
        """Receive the next message of the queue."""
        message: ChunkMessage = self.queue.sent.pop(0)
        return message

    def work(self, *, time_left_s: float = 100.0) -> None:
        """Process messages until there are none."""
        for _ in range(1_000):
            if not self.queue.sent:
                return
            self.worker.process(self.take(), lambda: time_left_s)
        raise AssertionError("the messages never end")

    def job(self, of: Job) -> Job:
        stored: Job | None = self.store.get(of.tenant_id, of.id)
        assert stored is not None
        return stored
