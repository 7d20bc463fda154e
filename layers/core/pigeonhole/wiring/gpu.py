"""Build the services of functions/gpu, which AWS Batch starts in a container and the local stack as a process."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pigeonhole.bulk.gpu.run_name import RUN_VARIABLE, RunName
from pigeonhole.bulk.gpu.task_worker import CONCURRENT_SPANS, GpuTaskWorker, OpenSpans
from pigeonhole.bulk.gpu_tasks import GpuTaskStore
from pigeonhole.bulk.runner import GROUP_SAMPLES
from pigeonhole.contract.messages import SpanMessage
from pigeonhole.settings import Settings
from pigeonhole.wiring.adapters import JobAdapters
from pigeonhole.wiring.bulk import span_opener
from pigeonhole.wiring.clients import request_limits
from pigeonhole.wiring.inference import build_services, chunk_limits, load_classifier, to_classifier

if TYPE_CHECKING:
    from pigeonhole.inference.classifier import Classifier

INDEX_VARIABLE = "AWS_BATCH_JOB_ARRAY_INDEX"  # AWS Batch sets it in the children of an array job
STOP_S = 60.0  # a span that is begun is expected to end within this time


def gpu_task_index(environ: Mapping[str, str] | None = None) -> tuple[RunName, int]:
    """Read which task of which run this process has to do.

    Raises:
        ValueError: The variables are missing or broken.
    """
    environ = os.environ if environ is None else environ
    return RunName.parse(environ.get(RUN_VARIABLE, "")), int(environ.get(INDEX_VARIABLE) or 0)


@cache
def gpu_task_worker(settings: Settings, report_fault: Callable[[SpanMessage, Exception], None]) -> GpuTaskWorker:
    """Load the model and build functions/gpu's service.

    Each span has `encode_workers` threads. While one of them waits for images or for the GPU, another one decodes.

    Args:
        settings: The settings.
        report_fault: Is called with each span that could not be processed.

    Raises:
        MissingSetting: A required setting is missing.
        ModelUnavailable: The model folder is missing or broken, or there is no GPU for the checkpoint.
    """
    settings.require("table_name", "job_bucket", "plan_queue", "upload_bucket")
    from boto3.session import Session

    from pigeonhole.bulk.inputs.text_objects import TextObjectReader
    from pigeonhole.bulk.worker import SpanWorker

    classifier, group_samples = _load_classifier(settings)
    limits = replace(chunk_limits(settings, decodes=settings.decode_workers), samples=group_samples)
    commands = CONCURRENT_SPANS * settings.encode_workers
    classify = build_services(settings, classifier, limits, commands=commands)
    adapters, left = JobAdapters(Session(), settings), OpenSpans()
    model = classify.pipeline.describe()
    worker = SpanWorker(
        opener=span_opener(adapters, classify.limits),
        store=adapters.store,
        spans=adapters.spans,
        access=adapters.manifest_access,
        objects=adapters.objects,
        plan_queue=adapters.plan_queue,
        span_queue=left,
        pipeline=classify.pipeline,
        texts=TextObjectReader(blobs=adapters.upload_files, limits=request_limits(settings)),
        model_id=model.model_id,
        model_revision=model.revision,
        stop_s=STOP_S,
        threads=settings.encode_workers,
        piece_samples=group_samples,
        group_samples=group_samples,
    )
    return GpuTaskWorker(
        tasks=GpuTaskStore(objects=adapters.objects),
        worker=worker,
        left=left,
        max_s=settings.gpu_task_s,
        report_fault=report_fault,
    )


def _load_classifier(settings: Settings) -> tuple[Classifier, int]:
    """Load the model, and return it with the number of samples to classify together."""
    if not settings.checkpoint:
        return load_classifier(settings, workers=1), GROUP_SAMPLES
    from pigeonhole.inference.encoders.checkpoints import cuda_engine

    model, batch = cuda_engine.load(Path(settings.model_dir), settings.checkpoint, settings.sentence_checkpoint)
    # One batch at a time for each thread of a span: the engine runs as many as the device needs.
    return to_classifier(settings, model, batch=batch, workers=1), batch
