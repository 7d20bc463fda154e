"""A loaded model around FakeEncoder, background and all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from pigeonhole.inference.classifier import Classifier
from pigeonhole.inference.encoders import background_files
from pigeonhole.inference.encoders.base import BackgroundEmbeddings
from pigeonhole.inference.encoders.fake_encoder import FakeEncoder
from pigeonhole.inference.encoders.registry import LoadedModel
from pigeonhole.inference.scoring.calibration import prior_calibration


@cache
def fake_background() -> BackgroundEmbeddings:
    """The background concepts and texts as FakeEncoder has them."""
    return background_files.embed(FakeEncoder(), FakeEncoder())


def fake_loaded_model() -> LoadedModel:
    """A model that was never calibrated."""
    return LoadedModel(FakeEncoder(), FakeEncoder(model_id="fake-text"), fake_background(), calibration=None)


@dataclass
class Counting:
    """An encoder that notes what it was asked to encode."""

    inner: FakeEncoder = field(default_factory=FakeEncoder)
    texts: list[str] = field(default_factory=list)
    pictures: int = 0

    def __post_init__(self) -> None:
        self.info, self.fit, self.count_tokens = self.inner.info, self.inner.fit, self.inner.count_tokens

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        self.texts.extend(texts)
        return self.inner.encode_text(texts)

    def encode_image(self, pixels: np.ndarray) -> np.ndarray:
        self.pictures += len(pixels)
        return self.inner.encode_image(pixels)


NOTHING_MUCH = ("thing", "place", "person", "idea")


def classifier(encoder: object = None) -> Classifier:
    """A classifier over the fake encoder, wired as the command wires the real ones."""
    fake = FakeEncoder()
    embedded = fake.encode_text(NOTHING_MUCH)
    return Classifier(
        encoder=encoder or fake,  # type: ignore[arg-type]
        sentence=FakeEncoder(max_text_tokens=8),
        calibration=prior_calibration(fake.info),
        background=BackgroundEmbeddings(embedded, embedded),
    )
