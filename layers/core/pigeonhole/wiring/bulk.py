"""Build the services of bulk jobs: of functions/plan, of functions/worker, and on this machine without a stack."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from pigeonhole.bulk.dead_letters import SpanAbandoner
from pigeonhole.bulk.open_span import SpanOpener
from pigeonhole.bulk.planner import BulkPlanner
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.messages import ModelDescription
from pigeonhole.jobs.ports import PlanQueue
from pigeonhole.settings import Settings
from pigeonhole.wiring.adapters import JobAdapters
from pigeonhole.wiring.clients import job_rules, net_rules, request_limits
from pigeonhole.wiring.inference import chunk_limits, classify_services, encode_workers, load_classifier, open_decoder

if TYPE_CHECKING:
    from pigeonhole.bulk.worker import SpanWorker
    from pigeonhole.inference.images.fetch import ImageFetcher
    from pigeonhole.inference.pipeline import InferencePipeline


@dataclass(frozen=True, kw_only=True)
class LocalPipeline:
    """A pipeline in this process.

    Attributes:
        pipeline: Classifies samples. Thread-safe.
        model: The model.
    """

    pipeline: InferencePipeline
    model: ModelDescription


def local_pipeline(settings: Settings, read_images_by: Callable[[ImageFetcher], ImageFetcher]) -> LocalPipeline:
    """Load the model for a bulk job of this process, which calls the pipeline from several threads.

    Args:
        settings: The settings.
        read_images_by: Returns what reads images, given what reads web addresses and `data:` URLs.

    Raises:
        ModelUnavailable: The model folder is missing or broken.
    """
    from pigeonhole.inference.images.fetch import ImageFetcher
    from pigeonhole.inference.label_embeddings import LabelEmbeddingMemory
    from pigeonhole.inference.pipeline import InferencePipeline
    from pigeonhole.net.guarded_http import GuardedClient

    # One batch at a time for each thread of the job: the threads themselves keep all cores busy.
    classifier = load_classifier(settings, workers=1)
    limits = chunk_limits(settings, decodes=settings.decode_workers)
    http = GuardedClient(net_rules(settings, timeout_s=settings.fetch_timeout_s))
    pipeline = InferencePipeline(
        image_fetcher=read_images_by(ImageFetcher(http=http, blobs=None)),
        decoder=open_decoder(classifier, limits),
        classifier=classifier,
        limits=limits,
        label_images=LabelEmbeddingMemory(classifier.encoder),
    )
    return LocalPipeline(pipeline=pipeline, model=pipeline.describe())


@cache
def bulk_planner(settings: Settings) -> BulkPlanner:
    """Build functions/plan's service.

    Raises:
        MissingSetting: A required setting is missing.
    """
    settings.require("table_name", "job_bucket", "job_queue", "plan_queue", "upload_bucket")
    from boto3.session import Session

    adapters = JobAdapters(Session(), settings)
    return BulkPlanner(
        access=adapters.manifest_access,
        store=adapters.store,
        spans=adapters.spans,
        objects=adapters.objects,
        manifests=adapters.manifests,
        plan_queue=adapters.plan_queue,
        span_queue=adapters.span_queue,
        stuck_s=job_rules(settings).stuck_s,
    )


@cache
def span_worker(settings: Settings) -> SpanWorker:
    """Load the model and build functions/worker's service for the spans of bulk jobs.

    Raises:
        MissingSetting: A required setting is missing.
        ModelUnavailable: The model folder is missing or broken.
    """
    settings.require("table_name", "job_bucket", "job_queue", "plan_queue", "upload_bucket")
    from boto3.session import Session

    from pigeonhole.bulk.worker import SpanWorker

    classify, adapters = classify_services(settings), JobAdapters(Session(), settings)
    model = classify.pipeline.describe()
    return SpanWorker(
        opener=_opener(adapters, classify.limits),
        store=adapters.store,
        spans=adapters.spans,
        access=adapters.manifest_access,
        objects=adapters.objects,
        plan_queue=adapters.plan_queue,
        span_queue=adapters.span_queue,
        pipeline=classify.pipeline,
        model_id=model.model_id,
        model_revision=model.revision,
        stop_s=settings.worker_stop_s,
        threads=encode_workers(settings, os.environ),
    )


@cache
def span_abandoner(settings: Settings) -> SpanAbandoner:
    """Build functions/dead_letters' service for the spans of bulk jobs.

    Raises:
        MissingSetting: A required setting is missing.
    """
    settings.require("table_name", "job_bucket", "job_queue")
    from boto3.session import Session

    adapters = JobAdapters(Session(), settings)
    opener = _opener(adapters, request_limits(settings))
    return SpanAbandoner(opener=opener, spans=adapters.spans, span_queue=adapters.span_queue)


@cache
def plan_queue(settings: Settings) -> PlanQueue:
    """Build the queue of functions/plan, by which it asks for an earlier redelivery of a message.

    Raises:
        MissingSetting: A required setting is missing.
    """
    settings.require("plan_queue")
    from boto3.session import Session

    return JobAdapters(Session(), settings).plan_queue


def _opener(adapters: JobAdapters, limits: RequestLimits) -> SpanOpener:
    return SpanOpener(
        store=adapters.store, spans=adapters.spans, objects=adapters.objects, manifests=adapters.manifests, limits=limits
    )
