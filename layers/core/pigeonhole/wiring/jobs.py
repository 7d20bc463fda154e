"""What works on jobs: the adapters behind it all, and the services of the functions that queues, table and clock start."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from pigeonhole.api.answers import to_results_document
from pigeonhole.jobs.assemble import JobResultsAssembler
from pigeonhole.jobs.dead_letters import DeadLetterHandler
from pigeonhole.jobs.parts import PartWriter
from pigeonhole.jobs.ports import ChunkQueue, JobStore, WebhookQueue
from pigeonhole.jobs.read import JobReader
from pigeonhole.jobs.submit import JobSubmitter
from pigeonhole.jobs.sweep import JobSweeper
from pigeonhole.label_sets.apply import LabelSetApplier
from pigeonhole.label_sets.ports import LabelSetStore
from pigeonhole.notifications.job_ended import JobEndNotifier
from pigeonhole.notifications.webhook_delivery import WebhookDeliverer
from pigeonhole.ports import EventBus, ObjectStore, RetryQueue
from pigeonhole.settings import Settings
from pigeonhole.tenants.ports import TenantStore, WebhookSecretStore
from pigeonhole.uploads.ingest import UploadIngester
from pigeonhole.uploads.ports import UploadForms, UploadResultStore, UploadTags
from pigeonhole.uploads.publish_results import JobResultsPublisher, UploadResultsPublisher
from pigeonhole.wiring.clients import client_config, job_rules, net_rules, request_limits
from pigeonhole.wiring.inference import classify_services

if TYPE_CHECKING:
    from boto3.session import Session
    from botocore.config import Config
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

    from pigeonhole.aws.sqs import SqsQueue
    from pigeonhole.jobs.worker import ChunkWorker

CONNECTIONS = 32  # four files of each of the eight jobs that ingest.py makes at once; what needs more opens more
JOB_TIMEOUT_S, JOB_ATTEMPTS = 5.0, 3  # of calls to the table, the bucket and the queues of jobs


@dataclass(frozen=True)
class JobAdapters:
    """What stands behind the services that work on jobs, each made when it is wanted. `endpoint_url`: None for AWS itself."""

    session: Session
    settings: Settings
    endpoint_url: str | None = None

    @cached_property
    def store(self) -> JobStore:
        from pigeonhole.aws.dynamodb.jobs import DynamoJobStore

        return DynamoJobStore(self._table, self.settings.table_name)

    @cached_property
    def tenants(self) -> TenantStore:
        from pigeonhole.aws.dynamodb.tenants import DynamoTenantStore

        return DynamoTenantStore(self._table, self.settings.table_name)

    @cached_property
    def secrets(self) -> WebhookSecretStore:
        from pigeonhole.aws.dynamodb.webhook_secrets import DynamoWebhookSecretStore

        return DynamoWebhookSecretStore(self._table, self.settings.table_name)

    @cached_property
    def objects(self) -> ObjectStore:
        from pigeonhole.aws.s3 import S3ObjectStore

        return S3ObjectStore(self._buckets, self.settings.job_bucket)

    @cached_property
    def label_sets(self) -> LabelSetStore:
        from pigeonhole.aws.dynamodb.label_sets import DynamoLabelSetStore

        return DynamoLabelSetStore(self._table, self.settings.table_name)

    @cached_property
    def results(self) -> UploadResultStore:
        from pigeonhole.aws.dynamodb.upload_results import DynamoUploadResultStore

        return DynamoUploadResultStore(self._table, self.settings.table_name)

    @cached_property
    def uploaded(self) -> ObjectStore:
        from pigeonhole.aws.s3 import S3ObjectStore

        return S3ObjectStore(self._buckets, self.settings.upload_bucket)

    @cached_property
    def tags(self) -> UploadTags:
        from pigeonhole.aws.s3 import S3UploadTags

        return S3UploadTags(self._buckets, self.settings.upload_bucket)

    @property
    def publish(self) -> UploadResultsPublisher:
        """What tells results of uploads."""
        tags = self.tags if self.settings.tag_uploads else None
        return UploadResultsPublisher(
            results=self.results, objects=self.uploaded, tags=tags, bus=self.bus, bucket=self.settings.upload_bucket
        )

    @cached_property
    def uploads(self) -> UploadForms:
        from pigeonhole.aws.s3 import S3UploadForms

        return S3UploadForms(self._buckets, self.settings.upload_bucket)

    @cached_property
    def queue(self) -> ChunkQueue:
        return self._queue(self.settings.job_queue)

    @cached_property
    def webhooks(self) -> WebhookQueue:
        return self._queue(self.settings.webhook_queue)

    @cached_property
    def notifications(self) -> RetryQueue:
        """S3's, of which functions/ingest only says when they are to come again."""
        return self._queue(self.settings.ingest_queue)

    @cached_property
    def bus(self) -> EventBus:
        from pigeonhole.aws.events import EventBridgeBus

        client = self.session.client("events", endpoint_url=self.endpoint_url, config=self._config())
        return EventBridgeBus(client, self.settings.event_bus)

    @cached_property
    def _buckets(self) -> S3Client:
        # A presigned URL needs signature v4: boto3's default is older, and newer regions and encrypted buckets refuse it.
        # It also needs the region's own host: the default host of all regions redirects, and a redirect breaks the signature.
        config = self._config(signature_version="s3v4", s3={"addressing_style": "virtual"})
        return self.session.client("s3", endpoint_url=self.endpoint_url, config=config)

    @cached_property
    def _table(self) -> DynamoDBClient:
        return self.session.client("dynamodb", endpoint_url=self.endpoint_url, config=self._config())

    def _queue(self, url: str) -> SqsQueue:
        from pigeonhole.aws.sqs import SqsQueue

        return SqsQueue(self.session.client("sqs", endpoint_url=self.endpoint_url, config=self._config()), url)

    def _config(self, **options: Any) -> Config:
        return client_config(timeout_s=JOB_TIMEOUT_S, attempts=JOB_ATTEMPTS, connections=CONNECTIONS, **options)


def job_results_assembler(jobs: JobAdapters, job_reader: JobReader) -> JobResultsAssembler:
    """Build the service that stores large results, for functions/worker and functions/api."""
    return JobResultsAssembler(store=jobs.store, objects=jobs.objects, job_reader=job_reader, render=to_results_document)


@cache
def chunk_worker(settings: Settings) -> ChunkWorker:
    """Load the model and build functions/worker's service.

    Raises:
        MissingSetting: A required setting is missing.
        ModelUnavailable: The model folder is missing or broken.
    """
    settings.require("table_name", "job_bucket", "job_queue", "upload_bucket")
    from boto3.session import Session

    from pigeonhole.jobs.worker import ChunkWorker

    of_classify, jobs = classify_services(settings), JobAdapters(Session(), settings)
    return ChunkWorker(
        store=jobs.store,
        tenants=jobs.tenants,
        objects=jobs.objects,
        queue=jobs.queue,
        pipeline=of_classify.pipeline,
        parts=PartWriter(store=jobs.store, objects=jobs.objects),
        results_assembler=job_results_assembler(jobs, JobReader(store=jobs.store, objects=jobs.objects)),
        stop_s=settings.worker_stop_s,
    )


@cache
def chunk_queue(settings: Settings) -> ChunkQueue:
    """Build the queue of chunks, by which functions/worker asks for an earlier redelivery of a message.

    It is apart from the function's service, so that a worker whose model can't be loaded still has it.

    Raises:
        MissingSetting: A required setting is missing.
    """
    settings.require("job_queue")
    from boto3.session import Session

    return JobAdapters(Session(), settings).queue


@cache
def dead_letter_handler(settings: Settings) -> DeadLetterHandler:
    """Build functions/dead_letters' service.

    Raises:
        MissingSetting: A required setting is missing.
    """
    settings.require("table_name", "job_bucket")
    from boto3.session import Session

    jobs = JobAdapters(Session(), settings)
    return DeadLetterHandler(parts=PartWriter(store=jobs.store, objects=jobs.objects))


@cache
def job_sweeper(settings: Settings) -> JobSweeper:
    """Build functions/sweep's service.

    Raises:
        MissingSetting: A required setting is missing.
    """
    settings.require("table_name", "job_queue", "webhook_queue")
    from boto3.session import Session

    jobs = JobAdapters(Session(), settings)
    return JobSweeper(store=jobs.store, queue=jobs.queue, webhooks=jobs.webhooks, rules=job_rules(settings))


@cache
def job_end_notifier(settings: Settings) -> JobEndNotifier:
    """Build functions/notify's service.

    Raises:
        MissingSetting: A required setting is missing.
    """
    settings.require("table_name", "job_bucket", "upload_bucket", "webhook_queue")
    from boto3.session import Session

    jobs = JobAdapters(Session(), settings)
    publish = JobResultsPublisher(
        job_reader=JobReader(store=jobs.store, objects=jobs.objects), objects=jobs.objects, publisher=jobs.publish
    )
    return JobEndNotifier(store=jobs.store, bus=jobs.bus, webhooks=jobs.webhooks, publisher=publish)


@dataclass(frozen=True, kw_only=True)
class IngestServices:
    """What functions/ingest calls. `queue`: for notifications that are to come again soon."""

    ingester: UploadIngester
    queue: RetryQueue


@cache
def ingest_services(settings: Settings) -> IngestServices:
    """Build functions/ingest's services.

    Raises:
        MissingSetting: A required setting is missing.
    """
    settings.require("table_name", "job_bucket", "job_queue", "upload_bucket", "ingest_queue")
    from boto3.session import Session

    jobs = JobAdapters(Session(), settings)
    ingest = UploadIngester(
        tenants=jobs.tenants,
        label_sets=LabelSetApplier(store=jobs.label_sets),
        jobs=JobSubmitter(
            store=jobs.store, objects=jobs.objects, queue=jobs.queue, secrets=jobs.secrets, rules=job_rules(settings)
        ),
        files=jobs.uploaded,
        results=jobs.results,
        publisher=jobs.publish,
        limits=replace(request_limits(settings), max_samples=settings.max_job_samples),
        bucket=settings.upload_bucket,
        keep_s=settings.job_days * 24 * 3600,
    )
    return IngestServices(ingester=ingest, queue=jobs.notifications)


@cache
def webhook_deliverer(settings: Settings) -> WebhookDeliverer:
    """Build functions/webhooks' service.

    Raises:
        MissingSetting: A required setting is missing.
    """
    settings.require("table_name")
    from boto3.session import Session

    from pigeonhole.net.guarded_http import GuardedClient

    jobs = JobAdapters(Session(), settings)
    poster = GuardedClient(net_rules(settings, timeout_s=settings.webhook_timeout_s))
    return WebhookDeliverer(store=jobs.store, secrets=jobs.secrets, poster=poster, first_pause_s=settings.webhook_pause_s)
