"""The embeddings of example images, so that an image that many commands name is fetched and embedded once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pigeonhole.inference.encoders.base import Encoder
from pigeonhole.inference.scoring.calibration import Floats

Pixels = npt.NDArray[np.uint8]


class LabelEmbeddings(Protocol):
    """Where the embeddings of example images are: label_images.LabelImageStore, or this process's memory. Thread-safe."""

    def is_stored(self, value: str, tenant_id: str) -> bool:
        """Return whether the embedding of a label's image is stored here."""
        ...

    def read_embeddings(self, values: Collection[str]) -> dict[str, Floats]:
        """Return the embeddings by value, (dim,) float32. Images without an embedding are missing."""
        ...

    def embed(self, images: Mapping[str, Pixels]) -> dict[str, Floats]:
        """Embed images, (side, side, 3) uint8 each, store the embeddings, and return them by value."""
        ...


class LabelEmbeddingMemory:
    """The embeddings of all example images of one job, in memory. The job has few labels, so nothing is dropped."""

    def __init__(self, encoder: Encoder) -> None:
        """Create an empty memory. `encoder` is the image-text encoder."""
        self._encoder = encoder
        self._embeddings: dict[str, Floats] = {}

    def is_stored(self, value: str, tenant_id: str) -> bool:
        """Return True: an image of the job is the same in all its commands."""
        return True

    def read_embeddings(self, values: Collection[str]) -> dict[str, Floats]:
        """Return the embeddings by value, (dim,) float32. Images without an embedding are missing."""
        return {value: self._embeddings[value] for value in values if value in self._embeddings}

    def embed(self, images: Mapping[str, Pixels]) -> dict[str, Floats]:
        """Embed images, (side, side, 3) uint8 each. Two threads that embed one image get the same embedding."""
        embeddings = {value: self._encoder.encode_image(pixels[None])[0] for value, pixels in images.items()}
        self._embeddings |= embeddings
        return embeddings
