"""Build the services of bulk jobs: of functions/plan, of functions/worker, and on this machine without a stack."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from pigeonhole.bulk.costs.compute import GpuWorkers, LambdaWorkers
from pigeonhole.bulk.dead_letters import SpanAbandoner
from pigeonhole.bulk.gpu.failures import GpuFailureHandler
from pigeonhole.bulk.gpu_tasks import GpuTaskStore
from pigeonhole.bulk.inputs.reader import InputReader
from pigeonhole.bulk.open_span import SpanOpener
from pigeonhole.bulk.planning.choose import BulkEstimator, ComputeChooser
from pigeonhole.bulk.planning.dispatch import SpanDispatcher
from pigeonhole.bulk.planning.estimate import InputEstimator
from pigeonhole.bulk.planning.finish import BulkFinisher
from pigeonhole.bulk.planning.planner import BulkPlanner
from pigeonhole.bulk.planning.segments import SegmentStore
from pigeonhole.contract.commands import ModelDescription
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.jobs.ports import PlanQueue
from pigeonhole.settings import Settings
from pigeonhole.wiring.adapters import JobAdapters
from pigeonhole.wiring.clients import job_rules, net_rules, request_limits
from pigeonhole.wiring.inference import chunk_limits, classify_services, encode_workers, load_classifier, open_decoder

if TYPE_CHECKING:
    from pigeonhole.bulk.worker import SpanWorker
    from pigeonhole.inference.images.fetch import ImageFetcher
    from pigeonhole.inference.pipeline import InferencePipeline

GPU_VCPUS = 4  # of a GPU worker, as its job definition in the template asks for


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
    inputs, segments = InputReader(manifests=adapters.manifests), SegmentStore(objects=adapters.objects)
    stuck_s = job_rules(settings).stuck_s
    return BulkPlanner(
        access=adapters.manifest_access,
        store=adapters.store,
        objects=adapters.objects,
        inputs=inputs,
        segments=segments,
        chooser=_chooser(settings, inputs),
        dispatcher=SpanDispatcher(
            store=adapters.store,
            spans=adapters.spans,
            segments=segments,
            span_queue=adapters.span_queue,
            tasks=GpuTaskStore(objects=adapters.objects),
            runner=adapters.gpu_runner,
            stuck_s=stuck_s,
        ),
        finisher=BulkFinisher(store=adapters.store, spans=adapters.spans, objects=adapters.objects),
        plan_queue=adapters.plan_queue,
        planning_s=settings.planning_s,
        stuck_s=stuck_s,
    )


@cache
def bulk_estimator(settings: Settings) -> BulkEstimator:
    """Build functions/plan's service for dry runs.

    Raises:
        MissingSetting: A required setting is missing.
    """
    settings.require("table_name", "upload_bucket")
    from boto3.session import Session

    adapters = JobAdapters(Session(), settings)
    inputs = InputReader(manifests=adapters.manifests)
    return BulkEstimator(access=adapters.manifest_access, inputs=inputs, chooser=_chooser(settings, inputs))


def _chooser(settings: Settings, inputs: InputReader) -> ComputeChooser:
    threads = encode_workers(settings, {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(settings.worker_memory_mb)})
    workers = LambdaWorkers(
        workers=settings.worker_concurrency,
        memory_mb=settings.worker_memory_mb,
        threads=threads,
        is_arm64=settings.worker_arm64,
    )
    gpus = settings.gpu_max_vcpus // GPU_VCPUS
    return ComputeChooser(
        estimator=InputEstimator(inputs=inputs),
        lambda_workers=workers,
        gpu_workers=GpuWorkers(workers=gpus, vcpus=GPU_VCPUS) if gpus else None,
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

    from pigeonhole.bulk.inputs.text_objects import TextObjectReader
    from pigeonhole.bulk.worker import SpanWorker

    classify, adapters = classify_services(settings), JobAdapters(Session(), settings)
    model = classify.pipeline.describe()
    return SpanWorker(
        opener=span_opener(adapters, classify.limits),
        store=adapters.store,
        spans=adapters.spans,
        access=adapters.manifest_access,
        objects=adapters.objects,
        plan_queue=adapters.plan_queue,
        span_queue=adapters.span_queue,
        pipeline=classify.pipeline,
        texts=TextObjectReader(blobs=adapters.upload_files, limits=request_limits(settings)),
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
    opener = span_opener(adapters, request_limits(settings))
    return SpanAbandoner(opener=opener, spans=adapters.spans, span_queue=adapters.span_queue)


@cache
def gpu_failure_handler(settings: Settings) -> GpuFailureHandler:
    """Build functions/dead_letters' service for GPU runs.

    Raises:
        MissingSetting: A required setting is missing.
    """
    settings.require("table_name", "job_bucket", "dead_letter_queue", "gpu_queue")
    from boto3.session import Session

    adapters = JobAdapters(Session(), settings)
    runner = adapters.gpu_runner
    assert runner is not None  # noqa: S101 - there is a gpu_queue
    return GpuFailureHandler(
        store=adapters.store,
        spans=adapters.spans,
        tasks=GpuTaskStore(objects=adapters.objects),
        failed_spans=adapters.failed_span_queue,
        runner=runner,
    )


@cache
def plan_queue(settings: Settings) -> PlanQueue:
    """Build the queue of functions/plan, by which it asks for an earlier redelivery of a message.

    Raises:
        MissingSetting: A required setting is missing.
    """
    settings.require("plan_queue")
    from boto3.session import Session

    return JobAdapters(Session(), settings).plan_queue


def span_opener(adapters: JobAdapters, limits: RequestLimits) -> SpanOpener:
    """Build what opens the spans that messages name."""
    return SpanOpener(
        store=adapters.store,
        spans=adapters.spans,
        objects=adapters.objects,
        bucket=adapters.settings.job_bucket,
        manifests=adapters.manifests,
        limits=limits,
    )
