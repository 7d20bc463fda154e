"""The services of the functions that queues, the DynamoDB stream, S3 and the schedule start."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from pigeonhole.api.answers import to_results_document
from pigeonhole.bulk.create import BulkJobCreator
from pigeonhole.bulk.manifest import SpanLimits
from pigeonhole.jobs.assemble import JobResultsAssembler
from pigeonhole.jobs.dead_letters import DeadLetterHandler
from pigeonhole.jobs.parts import PartWriter
from pigeonhole.jobs.ports import ChunkQueue
from pigeonhole.jobs.read import JobReader
from pigeonhole.jobs.submit import JobSubmitter
from pigeonhole.jobs.sweep import JobSweeper
from pigeonhole.label_sets.apply import LabelSetApplier
from pigeonhole.notifications.job_ended import JobEndNotifier
from pigeonhole.notifications.webhook_delivery import WebhookDeliverer
from pigeonhole.ports import RetryQueue
from pigeonhole.settings import Settings
from pigeonhole.uploads.ingest import UploadIngester
from pigeonhole.uploads.publish_results import JobResultsPublisher
from pigeonhole.wiring.adapters import JobAdapters
from pigeonhole.wiring.clients import job_rules, net_rules, request_limits
from pigeonhole.wiring.inference import classify_services

if TYPE_CHECKING:
    from pigeonhole.jobs.worker import ChunkWorker


def job_results_assembler(adapters: JobAdapters, job_reader: JobReader) -> JobResultsAssembler:
    """Build the service that stores large results, for functions/worker and functions/api."""
    return JobResultsAssembler(
        store=adapters.store, objects=adapters.objects, job_reader=job_reader, render=to_results_document
    )


def bulk_job_creator(adapters: JobAdapters, jobs: JobSubmitter, settings: Settings) -> BulkJobCreator:
    """Build the service that creates bulk jobs, for functions/api and functions/ingest."""
    return BulkJobCreator(jobs=jobs, plan_queue=adapters.plan_queue, span_limits=SpanLimits(samples=settings.span_samples))


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

    classify, adapters = classify_services(settings), JobAdapters(Session(), settings)
    return ChunkWorker(
        store=adapters.store,
        tenants=adapters.tenants,
        objects=adapters.objects,
        queue=adapters.chunk_queue,
        pipeline=classify.pipeline,
        parts=PartWriter(store=adapters.store, objects=adapters.objects),
        results_assembler=job_results_assembler(adapters, JobReader(store=adapters.store, objects=adapters.objects)),
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

    return JobAdapters(Session(), settings).chunk_queue


@cache
def dead_letter_handler(settings: Settings) -> DeadLetterHandler:
    """Build functions/dead_letters' service.

    Raises:
        MissingSetting: A required setting is missing.
    """
    settings.require("table_name", "job_bucket", "job_queue")
    from boto3.session import Session

    adapters = JobAdapters(Session(), settings)
    parts = PartWriter(store=adapters.store, objects=adapters.objects)
    return DeadLetterHandler(store=adapters.store, queue=adapters.chunk_queue, parts=parts)


@cache
def job_sweeper(settings: Settings) -> JobSweeper:
    """Build functions/sweep's service.

    Raises:
        MissingSetting: A required setting is missing.
    """
    settings.require("table_name", "job_queue", "webhook_queue", "plan_queue")
    from boto3.session import Session

    adapters = JobAdapters(Session(), settings)
    return JobSweeper(
        store=adapters.store,
        queue=adapters.chunk_queue,
        webhooks=adapters.webhook_queue,
        plan_queue=adapters.plan_queue,
        rules=job_rules(settings),
    )


@cache
def job_end_notifier(settings: Settings) -> JobEndNotifier:
    """Build functions/notify's service.

    Raises:
        MissingSetting: A required setting is missing.
    """
    settings.require("table_name", "job_bucket", "upload_bucket", "webhook_queue")
    from boto3.session import Session

    adapters = JobAdapters(Session(), settings)
    publisher = JobResultsPublisher(
        job_reader=JobReader(store=adapters.store, objects=adapters.objects),
        objects=adapters.objects,
        job_bucket=settings.job_bucket,
        uploaded=adapters.upload_objects,
        publisher=adapters.upload_results_publisher,
    )
    return JobEndNotifier(store=adapters.store, bus=adapters.bus, webhooks=adapters.webhook_queue, publisher=publisher)


@dataclass(frozen=True, kw_only=True)
class IngestServices:
    """The services of functions/ingest.

    Attributes:
        ingester: Submits jobs of uploads.
        queue: The queue by which the function asks for an earlier redelivery of a notification.
    """

    ingester: UploadIngester
    queue: RetryQueue


@cache
def ingest_services(settings: Settings) -> IngestServices:
    """Build functions/ingest's services.

    Raises:
        MissingSetting: A required setting is missing.
    """
    settings.require("table_name", "job_bucket", "job_queue", "plan_queue", "upload_bucket", "ingest_queue")
    from boto3.session import Session

    adapters = JobAdapters(Session(), settings)
    jobs = JobSubmitter(
        store=adapters.store,
        objects=adapters.objects,
        queue=adapters.chunk_queue,
        secrets=adapters.secrets,
        rules=job_rules(settings),
    )
    ingester = UploadIngester(
        tenants=adapters.tenants,
        label_sets=LabelSetApplier(store=adapters.label_sets),
        jobs=jobs,
        bulk=bulk_job_creator(adapters, jobs, settings),
        files=adapters.upload_files,
        results=adapters.upload_results,
        publisher=adapters.upload_results_publisher,
        limits=replace(request_limits(settings), max_samples=settings.max_job_samples),
        bucket=settings.upload_bucket,
        keep_s=settings.job_days * 24 * 3600,
    )
    return IngestServices(ingester=ingester, queue=adapters.ingest_queue)


@cache
def webhook_deliverer(settings: Settings) -> WebhookDeliverer:
    """Build functions/webhooks' service.

    Raises:
        MissingSetting: A required setting is missing.
    """
    settings.require("table_name")
    from boto3.session import Session

    from pigeonhole.net.guarded_http import GuardedClient

    adapters = JobAdapters(Session(), settings)
    poster = GuardedClient(net_rules(settings, timeout_s=settings.webhook_timeout_s))
    return WebhookDeliverer(
        store=adapters.store, secrets=adapters.secrets, poster=poster, first_pause_s=settings.webhook_pause_s
    )
