"""Build what runs a bulk job on this machine, without a stack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pigeonhole.contract.messages import ModelDescription
from pigeonhole.settings import Settings
from pigeonhole.wiring.clients import net_rules
from pigeonhole.wiring.inference import chunk_limits, load_classifier, open_decoder

if TYPE_CHECKING:
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
