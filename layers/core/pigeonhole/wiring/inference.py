"""What classifies: the model and its calibration, behind the services of functions/classify and functions/worker."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.messages import ModelDescription, S3Grant, StoreLabelImagesCommand
from pigeonhole.object_keys import incoming_grant, label_images_grant, uploads_grant
from pigeonhole.settings import Settings
from pigeonhole.wiring.clients import client_config, net_rules, request_limits

if TYPE_CHECKING:
    from pigeonhole.inference.pipeline import InferencePipeline

MB_PER_CORE = 1_769  # of a Lambda function's memory


@dataclass(frozen=True, kw_only=True)
class ClassifyServices:
    """What functions/classify calls."""

    limits: RequestLimits
    pipeline: InferencePipeline
    keep_images: Callable[[StoreLabelImagesCommand], list[str]]
    describe: Callable[[], ModelDescription]


@cache
def classify_services(settings: Settings) -> ClassifyServices:
    """Load the model and build functions/classify's services.

    Raises ModelUnavailable for a model folder that is missing or broken.
    """
    from boto3.session import Session

    from pigeonhole.aws.s3 import S3BlobStore, S3ObjectStore
    from pigeonhole.inference.classifier import Classifier
    from pigeonhole.inference.encoders import registry
    from pigeonhole.inference.images.decode import ImageLimits, open_image
    from pigeonhole.inference.images.fetch import Sources
    from pigeonhole.inference.label_images import LabelImageStore
    from pigeonhole.inference.limits import ChunkLimits
    from pigeonhole.inference.pipeline import InferencePipeline, describe
    from pigeonhole.inference.scoring.calibration import parse_calibration
    from pigeonhole.net.guarded_http import GuardedClient

    model = registry.load(Path(settings.model_dir), threads=settings.threads)
    calibration = parse_calibration(model.calibration, model.encoder.info)
    classifier = Classifier(
        encoder=model.encoder,
        sentence=model.sentence,
        calibration=calibration,
        background=model.background,
        cache_size=settings.label_cache_size,
        batch=settings.encode_batch,
        workers=encode_workers(settings, os.environ),
    )
    s3_config = client_config(timeout_s=settings.fetch_timeout_s, attempts=2, connections=settings.fetch_workers)
    s3 = Session().client("s3", config=s3_config)
    client = GuardedClient(net_rules(settings, timeout_s=settings.fetch_timeout_s))
    sources = Sources(client, S3BlobStore(s3))
    limits = ChunkLimits(
        image=ImageLimits(max_bytes=settings.max_image_bytes, max_pixels=settings.max_image_megapixels * 1_000_000),
        samples=settings.max_samples,
        request_bytes=settings.max_request_bytes,
        fetches=settings.fetch_workers,
        decodes=settings.decode_workers,
    )
    own_places = partial(places_of, settings)
    side = model.encoder.info.image_side
    kept = LabelImageStore(
        objects=S3ObjectStore(s3, settings.job_bucket),
        bucket=settings.job_bucket,
        sources=sources,
        encoder=model.encoder,
        decode=lambda data: model.encoder.fit(open_image(data, limits.image, side=side)),
        own_places=own_places,
        limits=limits,
    )
    return ClassifyServices(
        limits=request_limits(settings),
        pipeline=InferencePipeline(
            sources=sources,
            classifier=classifier,
            limits=limits,
            kept=kept if settings.job_bucket else None,
            own_places=own_places,
        ),
        keep_images=kept.keep,
        describe=lambda: describe(model.encoder.info, model.sentence.info, calibrated=calibration.is_measured_for_photos),
    )


def places_of(settings: Settings, tenant_id: str) -> list[S3Grant]:
    """Where on S3 a tenant may point without a grant: the images of its label sets, its uploads and what it dropped."""
    grants = (
        (label_images_grant, settings.job_bucket),
        (uploads_grant, settings.upload_bucket),
        (incoming_grant, settings.upload_bucket),
    )
    return [grant(tenant_id, bucket) for grant, bucket in grants if bucket]


def encode_workers(settings: Settings, environ: Mapping[str, str]) -> int:
    """The setting, but no more than the function's memory has cores; anywhere but on Lambda the setting."""
    memory_mb = int(environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 0))
    return min(settings.encode_workers, max(1, memory_mb // MB_PER_CORE)) if memory_mb else settings.encode_workers
