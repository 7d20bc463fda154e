"""The Encoder of both engines: tokens and pixels here, the two towers as functions that an engine brings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from pigeonhole.inference.encoders import preprocess
from pigeonhole.inference.encoders.artifact import ImageSpec
from pigeonhole.inference.encoders.base import EncoderInfo
from pigeonhole.inference.encoders.tokens import Embeddings, Ids, TextTokens

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ImageTower:
    """`run`: uint8 (n, side, side, 3) -> float32 (n, dim), unit rows."""

    spec: ImageSpec
    run: Callable[[Pixels], Embeddings]


@dataclass(frozen=True)
class TextTower:
    """`run`: ids and mask, int64 (n, length) each -> float32 (n, dim), unit rows."""

    tokens: TextTokens
    run: Callable[[Ids, Ids], Embeddings]


@dataclass(frozen=True)
class TowerEncoder:
    """An Encoder (see ports.py). A sentence encoder has no image tower."""

    info: EncoderInfo
    text: TextTower
    image: ImageTower | None = None

    def encode_text(self, texts: Sequence[str]) -> Embeddings:
        return self.text.tokens.embed(texts, self.info.dim, self.text.run)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self.text.tokens.count(texts)

    def fit(self, image: Image.Image) -> Pixels:
        return preprocess.fit(image, self._image_tower.spec)

    def encode_image(self, pixels: Pixels) -> Embeddings:
        if len(pixels) == 0:
            return np.zeros((0, self.info.dim), dtype=np.float32)
        return self._image_tower.run(pixels)

    @property
    def _image_tower(self) -> ImageTower:
        if self.image is None:
            raise TypeError(f"{self.info.model_id} reads texts only")
        return self.image
