"""Load the classifier that the functions run, with an encoder that caches embeddings."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from pigeonhole.contract.commands import ModelDescription
from pigeonhole.inference.classifier import Classifier
from pigeonhole.inference.encoders.base import Encoder, EncoderInfo, is_encoder
from pigeonhole.inference.pipeline import to_model_description
from pigeonhole.inference.scoring.calibration import prior_calibration

if TYPE_CHECKING:
    from pigeonhole.inference.encoders.base import Embeddings, Pixels

CacheKey = TypeVar("CacheKey", bound=Hashable)


@dataclass
class CachingEncoder:
    """An Encoder that encodes each text and each image only once, however many tasks need it.

    The results are exact: an embedding doesn't depend on the other inputs of its batch. Embeddings are kept as long as this
    object, with 4 * dim bytes each.

    Attributes:
        inner: The encoder whose embeddings are cached.
    """

    inner: Encoder
    _texts: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict, init=False, repr=False)
    _images: dict[bytes, npt.NDArray[np.float32]] = field(default_factory=dict, init=False, repr=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    @property
    def info(self) -> EncoderInfo:
        """The model's properties."""
        return self.inner.info

    def encode_text(self, texts: Sequence[str]) -> Embeddings:
        """Return `(n, dim) float32`."""
        return self._encode(
            self._texts, list(texts), lambda missing: self.inner.encode_text([texts[index] for index in missing])
        )

    def fit(self, image: Image.Image) -> Image.Image:
        """Scale an image to the model's input."""
        return self.inner.fit(image)

    def encode_image(self, pixels: Pixels) -> Embeddings:
        """Return `(n, dim) float32`."""
        digests = [hashlib.sha256(image.tobytes()).digest() for image in pixels]
        return self._encode(self._images, digests, lambda missing: self.inner.encode_image(pixels[missing]))

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each text."""
        return self.inner.count_tokens(texts)

    def knows_words(self, texts: Sequence[str]) -> list[bool]:
        """Return whether the model knows a word of each text."""
        return self.inner.knows_words(texts)

    def _encode(
        self,
        cache: dict[CacheKey, npt.NDArray[np.float32]],
        keys: Sequence[CacheKey],
        encode: Callable[[list[int]], Embeddings],
    ) -> Embeddings:
        """Return the embeddings of `keys`, `(n, dim)`. `encode` returns those of the indices that aren't in the cache."""
        first = {key: index for index, key in reversed(list(enumerate(keys)))}
        with self._lock:
            missing = {key: index for key, index in first.items() if key not in cache}
        if missing:
            rows = encode(list(missing.values()))
            with self._lock:
                cache.update(zip(missing, rows, strict=True))
        return np.stack([cache[key] for key in keys]) if keys else np.zeros((0, self.info.dim), dtype=np.float32)


def open_classifier(folder: Path, *, workers: int, calibrated: bool = True) -> Classifier:
    """Load the model of an artifact folder into a classifier, as `pigeonhole.wiring` does.

    Args:
        folder: The artifact folder.
        workers: The number of batches that are encoded concurrently.
        calibrated: Whether to use the folder's calibration. Otherwise the prior is used.

    Raises:
        ModelUnavailable: The folder is broken, or its calibration belongs to another model.
    """
    from pigeonhole.inference.encoders import registry
    from pigeonhole.inference.encoders.artifact import ModelUnavailable
    from pigeonhole.inference.scoring.calibration import parse_calibration

    model = registry.load(folder)
    try:
        calibration = parse_calibration(model.calibration if calibrated else None, model.encoder.info, model.sentence.info)
    except ValueError as error:
        raise ModelUnavailable(f"{folder}: {error}") from None
    return Classifier(
        encoder=CachingEncoder(model.encoder),
        sentence=CachingEncoder(model.sentence) if is_encoder(model.sentence) else model.sentence,
        calibration=calibration,
        background=model.background,
        multilingual=CachingEncoder(model.multilingual) if model.multilingual else None,
        workers=workers,
    )


def describe_model(classifier: Classifier) -> ModelDescription:
    """Describe the model of a classifier."""
    calibrated = classifier.calibration.is_measured_for_photos
    return to_model_description(classifier.encoder.info, classifier.sentence.info, calibrated=calibrated)


def with_prior(classifier: Classifier) -> Classifier:
    """Return the same classifier without its model's calibration. Both share the cached embeddings."""
    other = copy.copy(classifier)
    other.calibration = prior_calibration(classifier.encoder.info, classifier.sentence.info)
    return other
