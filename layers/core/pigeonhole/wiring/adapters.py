"""The adapters of the services that work on jobs and uploads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pigeonhole.bulk.access import ManifestAccess
from pigeonhole.bulk.gpu.failures import FailedSpanQueue
from pigeonhole.bulk.ports import JobRunner, ManifestStore, SpanQueue, SpanStore
from pigeonhole.jobs.ports import ChunkQueue, JobStore, PlanQueue, WebhookQueue
from pigeonhole.label_sets.ports import LabelSetStore
from pigeonhole.object_keys import incoming_grant, uploads_grant
from pigeonhole.ports import BlobStore, EventBus, ObjectStore, RetryQueue
from pigeonhole.settings import Settings
from pigeonhole.tenants.ports import TenantStore, WebhookSecretStore
from pigeonhole.uploads.ports import FileObjects, UploadForms, UploadResultStore, UploadTags
from pigeonhole.uploads.publish_results import UploadResultsPublisher
from pigeonhole.wiring.clients import client_config

if TYPE_CHECKING:
    from boto3.session import Session
    from botocore.config import Config
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

    from pigeonhole.aws.sqs import SqsQueue

# The uploads of eight jobs, which the ingester submits at the same time, four at a time. A client opens more if it needs them.
CONNECTIONS = 32
TIMEOUT_S, ATTEMPTS = 5.0, 3  # of a call to AWS


@dataclass(frozen=True)
class JobAdapters:
    """The adapters of the services that work on jobs and uploads. Each is built when it is first used.

    Attributes:
        endpoint_url: The address of the local stack, None for AWS.
    """

    session: Session
    settings: Settings
    endpoint_url: str | None = None

    @cached_property
    def store(self) -> JobStore:
        """The jobs in the table."""
        from pigeonhole.aws.dynamodb.jobs import DynamoJobStore

        return DynamoJobStore(self._table, self.settings.table_name)

    @cached_property
    def tenants(self) -> TenantStore:
        """The tenants in the table."""
        from pigeonhole.aws.dynamodb.tenants import DynamoTenantStore

        return DynamoTenantStore(self._table, self.settings.table_name)

    @cached_property
    def secrets(self) -> WebhookSecretStore:
        """The webhook secrets in the table."""
        from pigeonhole.aws.dynamodb.webhook_secrets import DynamoWebhookSecretStore

        return DynamoWebhookSecretStore(self._table, self.settings.table_name)

    @cached_property
    def objects(self) -> ObjectStore:
        """The job bucket."""
        from pigeonhole.aws.s3 import S3ObjectStore

        return S3ObjectStore(self._buckets, self.settings.job_bucket)

    @cached_property
    def label_sets(self) -> LabelSetStore:
        """The label sets in the table."""
        from pigeonhole.aws.dynamodb.label_sets import DynamoLabelSetStore

        return DynamoLabelSetStore(self._table, self.settings.table_name)

    @cached_property
    def upload_results(self) -> UploadResultStore:
        """The uploads' results in the table."""
        from pigeonhole.aws.dynamodb.upload_results import DynamoUploadResultStore

        return DynamoUploadResultStore(self._table, self.settings.table_name)

    @cached_property
    def upload_objects(self) -> ObjectStore:
        """The upload bucket."""
        from pigeonhole.aws.s3 import S3ObjectStore

        return S3ObjectStore(self._buckets, self.settings.upload_bucket)

    @cached_property
    def upload_files(self) -> BlobStore:
        """The files that callers put into the upload bucket."""
        from pigeonhole.aws.s3 import S3BlobStore

        return S3BlobStore(self._buckets)

    @cached_property
    def upload_tags(self) -> UploadTags:
        """The tags of uploads."""
        from pigeonhole.aws.s3 import S3UploadTags

        return S3UploadTags(self._buckets, self.settings.upload_bucket)

    @property
    def upload_results_publisher(self) -> UploadResultsPublisher:
        """The service that publishes the results of uploads."""
        tags = self.upload_tags if self.settings.tag_uploads else None
        return UploadResultsPublisher(
            results=self.upload_results,
            tags=tags,
            bus=self.bus,
            bucket=self.settings.upload_bucket,
        )

    @cached_property
    def upload_forms(self) -> UploadForms:
        """The forms by which callers upload."""
        from pigeonhole.aws.s3 import S3UploadForms

        return S3UploadForms(self._buckets, self.settings.upload_bucket)

    @cached_property
    def files(self) -> FileObjects:
        """The objects of callers' file stores."""
        from pigeonhole.aws.s3 import S3FileObjects

        return S3FileObjects(self._buckets, self.settings.upload_bucket)

    @cached_property
    def chunk_queue(self) -> ChunkQueue:
        """The queue of functions/worker."""
        return self._queue(self.settings.job_queue)

    @cached_property
    def span_queue(self) -> SpanQueue:
        """The same queue, which also has the spans of bulk jobs."""
        return self._queue(self.settings.job_queue)

    @cached_property
    def failed_span_queue(self) -> FailedSpanQueue:
        """The queue of functions/dead_letters."""
        return self._queue(self.settings.dead_letter_queue)

    @property
    def gpu_runner(self) -> JobRunner | None:
        """What starts GPU workers, None if none are deployed."""
        if not self.settings.gpu_queue:
            return None
        from pigeonhole.aws.batch import BatchJobRunner

        client = self.session.client("batch", endpoint_url=self.endpoint_url, config=self._config())
        return BatchJobRunner(client, self.settings.gpu_queue, self.settings.gpu_definition)

    @cached_property
    def plan_queue(self) -> PlanQueue:
        """The queue of functions/plan."""
        return self._queue(self.settings.plan_queue)

    @cached_property
    def spans(self) -> SpanStore:
        """The complete spans of bulk jobs in the table."""
        from pigeonhole.aws.dynamodb.spans import DynamoSpanStore

        return DynamoSpanStore(self._table, self.settings.table_name)

    @property
    def manifest_access(self) -> ManifestAccess:
        """What compares manifests with the grants of tenants."""
        bucket = self.settings.upload_bucket
        return ManifestAccess(
            tenants=self.tenants,
            uploads=lambda tenant_id: uploads_grant(tenant_id, bucket),
            incoming=lambda tenant_id: incoming_grant(tenant_id, bucket),
        )

    @cached_property
    def manifests(self) -> ManifestStore:
        """Callers' manifests."""
        from pigeonhole.aws.s3_manifests import S3ManifestStore

        return S3ManifestStore(self._buckets)

    @cached_property
    def webhook_queue(self) -> WebhookQueue:
        """The queue of functions/webhooks."""
        return self._queue(self.settings.webhook_queue)

    @cached_property
    def ingest_queue(self) -> RetryQueue:
        """The queue of functions/ingest, by which it asks for an earlier redelivery of a notification."""
        return self._queue(self.settings.ingest_queue)

    @cached_property
    def bus(self) -> EventBus:
        """The event bus."""
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
        return client_config(timeout_s=TIMEOUT_S, attempts=ATTEMPTS, connections=CONNECTIONS, **options)
