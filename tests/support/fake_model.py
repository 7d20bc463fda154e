"""Models and classifiers around FakeEncoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from PIL import Image

from pigeonhole.inference.classifier import Classifier, ClassifierResult
from pigeonhole.inference.encoders import background_files
from pigeonhole.inference.encoders.base import BackgroundEmbeddings
from pigeonhole.inference.encoders.registry import LoadedModel
from pigeonhole.inference.images.in_process_decoder import InProcessDecoder
from pigeonhole.inference.images.limits import ImageLimits
from pigeonhole.inference.labels.label_class import LabelClass
from pigeonhole.inference.limits import ChunkLimits
from pigeonhole.inference.pipeline import InferencePipeline
from pigeonhole.inference.scoring.calibration import prior_calibration
from support.fake_encoder import COLOURS, SIDE, FakeEncoder
from support.fake_web import FakeWeb

IMAGE_LIMITS = ImageLimits(max_bytes=1_000_000, max_pixels=1_000_000)
BACKGROUND_WORDS = ("thing", "place", "person", "idea")


@cache
def fake_background() -> BackgroundEmbeddings:
    """Return the background concepts and texts, embedded by FakeEncoder."""
    return background_files.embed(FakeEncoder(), FakeEncoder())


def fake_loaded_model() -> LoadedModel:
    """Return a model without a calibration."""
    return LoadedModel(FakeEncoder(), FakeEncoder(model_id="fake-text"), fake_background(), calibration=None)


@dataclass
class RecordingEncoder:
    """An encoder that records what it encodes.

    Attributes:
        inner: The encoder that does the work.
        texts: The texts that were encoded.
        images: The number of images that were encoded.
    """

    inner: FakeEncoder = field(default_factory=FakeEncoder)
    texts: list[str] = field(default_factory=list)
    images: int = 0

    def __post_init__(self) -> None:
        self.info, self.fit = self.inner.info, self.inner.fit
        self.count_tokens, self.knows_words = self.inner.count_tokens, self.inner.knows_words

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        self.texts.extend(texts)
        return self.inner.encode_text(texts)

    def encode_image(self, pixels: np.ndarray) -> np.ndarray:
        self.images += len(pixels)
        return self.inner.encode_image(pixels)


def fake_classifier(encoder: object = None, sentence: object = None, **options: int) -> Classifier:
    """Return a classifier over the fake encoder, with the whole background."""
    encoder, sentence = encoder or FakeEncoder(), sentence or FakeEncoder(model_id="sentence")
    return Classifier(
        encoder=encoder,  # type: ignore[arg-type]
        sentence=sentence,  # type: ignore[arg-type]
        calibration=prior_calibration(encoder.info, sentence.info),  # type: ignore[attr-defined]
        background=fake_background(),
        **options,
    )


def fake_decoder() -> InProcessDecoder:
    """Return a decoder for the fake encoder, without a process of its own."""
    return InProcessDecoder(FakeEncoder().fit, IMAGE_LIMITS, SIDE)


def fake_pipeline(web: FakeWeb, sentence: object = None, encoder: object = None, **limits: int) -> InferencePipeline:
    """Return a pipeline over the fake encoder, or over another one, that fetches from a fake web."""
    return InferencePipeline(
        image_fetcher=web,  # type: ignore[arg-type]
        decoder=fake_decoder(),
        classifier=fake_classifier(encoder, sentence),
        limits=ChunkLimits(IMAGE_LIMITS, **limits),
    )


def classifier(encoder: object = None) -> Classifier:
    """Return a classifier for the commands of the CLI, with a small background."""
    fake = FakeEncoder()
    embedded = fake.encode_text(BACKGROUND_WORDS)
    return Classifier(
        encoder=encoder or fake,  # type: ignore[arg-type]
        sentence=FakeEncoder(max_text_tokens=8),
        calibration=prior_calibration(fake.info),
        background=BackgroundEmbeddings(embedded, embedded),
    )


def text_labels(*names: str) -> list[LabelClass]:
    """Return one class per name, with the name as its only text."""
    return [LabelClass(name, (name,), ()) for name in names]


def colour_pixels(colour: str) -> np.ndarray:
    """Return an image of one colour as FakeEncoder's `fit` gives it."""
    return np.asarray(FakeEncoder().fit(Image.new("RGB", (20, 30), COLOURS[colour])))


def chosen_names(result: ClassifierResult, labels: Sequence[LabelClass]) -> list[list[str]]:
    """Return the names of the chosen labels of each sample."""
    return [[labels[label.index].name for label in row] for row in result.chosen]
