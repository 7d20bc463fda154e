"""Build the model, its calibration and the services of functions/classify and functions/worker."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pigeonhole import wiring
from pigeonhole.contract.commands import S3Grant
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.lazy import LazyProxy
from pigeonhole.object_keys import incoming_grant, label_images_grant, uploads_grant
from pigeonhole.settings import LAMBDA_MB_PER_CORE, Settings
from pigeonhole.wiring.clients import client_config, net_rules, request_limits
from pigeonhole.wiring.lambda_start import is_ahead_of_calls, is_for_a_call

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from pigeonhole.inference.classifier import Classifier
    from pigeonhole.inference.encoders.registry import LoadedModel
    from pigeonhole.inference.images.decoder import ImageDecoder
    from pigeonhole.inference.label_images import LabelImageStore
    from pigeonhole.inference.limits import ChunkLimits
    from pigeonhole.inference.pipeline import InferencePipeline
    from pigeonhole.net.guarded_http import GuardedClient
    from pigeonhole.ports import BlobStore, ObjectStore

MODEL_BYTES = 900_000_000  # the runtime and the model `clip-b32`
DECODE_PROCESS_BYTES = 30_000_000  # of a decode process, without an image


@dataclass(frozen=True, kw_only=True)
class ClassifyServices:
    """The services of functions/classify.

    Attributes:
        limits: The limits of a request.
        pipeline: Classifies samples, and describes the model.
        label_images: Stores the images of label sets.
    """

    limits: RequestLimits
    pipeline: InferencePipeline
    label_images: LabelImageStore


@cache
def classify_services(settings: Settings) -> ClassifyServices:
    """Load the model and build the services of functions/classify.

    Raises:
        ModelUnavailable: The model folder is missing or broken.
    """
    classifier = load_classifier(
        settings,
        workers=encode_workers(settings, os.environ),
        ahead=is_ahead_of_calls(os.environ),
        quickly=is_for_a_call(os.environ),
    )
    return build_services(settings, classifier, chunk_limits(settings, decodes=decode_workers(settings, os.environ)))


def load_ahead() -> None:
    """Load the model now if this environment is started before there is a call for it. Otherwise the first call loads it.

    Raises:
        ModelUnavailable: The model folder is missing or broken.
        ValueError: A setting can't be parsed.
    """
    if is_ahead_of_calls(os.environ):
        classify_services(wiring.settings())


def build_services(settings: Settings, classifier: Classifier, limits: ChunkLimits, *, commands: int = 1) -> ClassifyServices:
    """Build the services around a classifier.

    Args:
        settings: The settings.
        classifier: The loaded model.
        limits: The limits of one command.
        commands: The number of commands that are processed at the same time.
    """
    from pigeonhole.inference.images.fetch import ImageFetcher
    from pigeonhole.inference.label_images import LabelImageStore
    from pigeonhole.inference.pipeline import InferencePipeline
    from pigeonhole.inference.prompt_store import PromptStore

    s3 = cast("S3Client", LazyProxy(partial(open_s3, settings, connections=commands * settings.fetch_workers)))
    http = cast("GuardedClient", LazyProxy(partial(open_http, settings)))
    image_fetcher = ImageFetcher(http=http, blobs=cast("BlobStore", LazyProxy(partial(open_blobs, s3))))
    decoder = open_decoder(classifier, limits)
    tenant_grants = partial(implicit_grants, settings)
    objects = cast("ObjectStore", LazyProxy(partial(open_objects, s3, settings.job_bucket)))
    label_images = LabelImageStore(
        objects=objects,
        bucket=settings.job_bucket,
        image_fetcher=image_fetcher,
        decoder=decoder,
        encoder=classifier.encoder,
        implicit_grants=tenant_grants,
        limits=limits,
    )
    return ClassifyServices(
        limits=request_limits(settings),
        pipeline=InferencePipeline(
            image_fetcher=image_fetcher,
            decoder=decoder,
            classifier=classifier,
            limits=limits,
            label_images=label_images if settings.job_bucket else None,
            prompt_store=PromptStore(objects) if settings.job_bucket else None,
            implicit_grants=tenant_grants,
        ),
        label_images=label_images,
    )


def open_http(settings: Settings) -> GuardedClient:
    """Create the client that fetches images from the web. Its libraries take 0.05 s to import."""
    from pigeonhole.net.guarded_http import GuardedClient

    return GuardedClient(net_rules(settings, timeout_s=settings.fetch_timeout_s))


def open_s3(settings: Settings, *, connections: int) -> S3Client:
    """Create a client of S3. With the imports that takes 0.3 s, and a request may name no S3 address."""
    from boto3.session import Session

    return Session().client("s3", config=client_config(timeout_s=settings.fetch_timeout_s, attempts=2, connections=connections))


def open_blobs(s3: S3Client) -> BlobStore:
    """Create the store of what callers name by `s3://`. botocore's errors take 5 ms to import."""
    from pigeonhole.aws.s3 import S3BlobStore

    return S3BlobStore(s3)


def open_objects(s3: S3Client, bucket: str) -> ObjectStore:
    """Create the store of the deployment's own objects in a bucket, as `open_blobs` does."""
    from pigeonhole.aws.s3 import S3ObjectStore

    return S3ObjectStore(s3, bucket)


def load_classifier(settings: Settings, *, workers: int, ahead: bool = False, quickly: bool = False) -> Classifier:
    """Load the model of the settings with its calibration.

    Args:
        settings: The settings.
        workers: The number of batches that one call encodes at the same time.
        ahead: Open all its towers now. Otherwise the first request that needs a tower opens it.
        quickly: Let the first request take less time, and those of the next second more.

    Raises:
        ModelUnavailable: The model folder is missing or broken.
    """
    from pigeonhole.inference.encoders import registry

    model = registry.load(Path(settings.model_dir), threads=settings.threads, starts_quickly=quickly)
    if ahead:
        registry.open_towers(model)
    return to_classifier(settings, model, batch=settings.encode_batch, workers=workers)


def to_classifier(settings: Settings, model: LoadedModel, *, batch: int, workers: int) -> Classifier:
    """Build the classifier of a loaded model.

    Args:
        settings: The settings.
        model: The model.
        batch: The number of samples that are encoded at once.
        workers: The number of batches that one call encodes at the same time.
    """
    from pigeonhole.inference.classifier import Classifier
    from pigeonhole.inference.scoring.calibration import parse_calibration

    return Classifier(
        encoder=model.encoder,
        sentence=model.sentence,
        calibration=parse_calibration(model.calibration, model.encoder.info, model.sentence.info),
        background=model.background,
        multilingual=model.multilingual,
        cache_size=settings.label_cache_size,
        batch=batch,
        workers=workers,
    )


def chunk_limits(settings: Settings, *, decodes: int) -> ChunkLimits:
    """Return the limits of one command. `decodes` is the number of images that are decoded at the same time."""
    from pigeonhole.inference.images.limits import ImageLimits
    from pigeonhole.inference.limits import ChunkLimits

    return ChunkLimits(
        image=ImageLimits(
            max_bytes=settings.max_image_bytes,
            max_pixels=settings.max_image_megapixels * 1_000_000,
            max_cpu_s=settings.max_image_cpu_s,
            max_memory_bytes=settings.max_image_memory_bytes,
        ),
        samples=settings.max_samples,
        request_bytes=settings.max_request_bytes,
        fetches=settings.fetch_workers,
        decodes=decodes,
    )


def open_decoder(classifier: Classifier, limits: ChunkLimits) -> ImageDecoder:
    """Return what decodes images for the classifier's model, in processes that the kernel limits."""
    from pigeonhole.inference.images.decode_pool import DecodePool

    encoder = classifier.encoder
    return DecodePool(encoder.fit, limits.image, side=encoder.info.image_side)


def implicit_grants(settings: Settings, tenant_id: str) -> list[S3Grant]:
    """Return what a tenant may name by `s3://` without a grant: its label sets' images and its uploads."""
    grants = (
        (label_images_grant, settings.job_bucket),
        (uploads_grant, settings.upload_bucket),
        (incoming_grant, settings.upload_bucket),
    )
    return [grant(tenant_id, bucket) for grant, bucket in grants if bucket]


def encode_workers(settings: Settings, environ: Mapping[str, str]) -> int:
    """Return the number of batches to encode at the same time.

    On Lambda it is the setting, but at most the number of cores that the function's memory has, a part of a core included: a
    part that no batch uses would be paid for nevertheless. Elsewhere it is the setting.
    """
    memory_mb = _memory_mb(environ)
    return min(settings.encode_workers, math.ceil(memory_mb / LAMBDA_MB_PER_CORE)) if memory_mb else settings.encode_workers


def decode_workers(settings: Settings, environ: Mapping[str, str]) -> int:
    """Return the number of images to decode at the same time.

    On Lambda it is the setting, but at most as many of the largest images as the memory holds beside the model and the files of
    a request. Elsewhere it is the setting.
    """
    memory_mb = _memory_mb(environ)
    if not memory_mb:
        return settings.decode_workers
    free_bytes = memory_mb * 2**20 - MODEL_BYTES - settings.max_request_bytes
    image_bytes = settings.max_image_memory_bytes + DECODE_PROCESS_BYTES
    return min(settings.decode_workers, max(1, free_bytes // image_bytes))


def _memory_mb(environ: Mapping[str, str]) -> int:
    return int(environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 0))
