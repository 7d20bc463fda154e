"""The Encoder of both engines. It prepares tokens and pixels, and each engine provides the two towers as functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pigeonhole.inference.encoders import preprocess
from pigeonhole.inference.encoders.base import EncoderInfo
from pigeonhole.inference.encoders.image_spec import ImageSpec
from pigeonhole.inference.encoders.tokens import Embeddings, TextTokens
from pigeonhole.lazy import Lazy

if TYPE_CHECKING:
    from PIL import Image

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ImageTower:
    """The image side of a model.

    Attributes:
        spec: How images become the model's input.
        run: Encodes images, (n, side, side, 3) uint8 -> unit embeddings, (n, dim) float32.
        open: Opens what `run` would open at its first use.
    """

    spec: ImageSpec
    run: Callable[[Pixels], Embeddings]
    open: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class TextTower:
    """The text side of a model.

    Attributes:
        tokens: The tokenizer.
        encode: Encodes texts, (n,) texts -> unit embeddings, (n, dim) float32.
    """

    tokens: TextTokens
    encode: Callable[[Sequence[str]], Embeddings]


class LazyTextTower:
    """A text tower that is opened at its first use. Thread-safe."""

    def __init__(self, open_tower: Callable[[], TextTower]) -> None:
        """Create a tower. `open_tower` is as for Lazy."""
        self._tower = Lazy(open_tower)

    @property
    def tokens(self) -> TextTokens:
        """As TextTower has it."""
        return self._tower.part.tokens

    @property
    def encode(self) -> Callable[[Sequence[str]], Embeddings]:
        """As TextTower has it."""
        return self._tower.part.encode


@dataclass(frozen=True)
class TowerEncoder:
    """An Encoder of two towers.

    Attributes:
        info: What scoring and bookkeeping need to know.
        text: The text tower.
        image: The image tower, None for a sentence encoder.
    """

    info: EncoderInfo
    text: TextTower | LazyTextTower
    image: ImageTower | None = None

    def encode_text(self, texts: Sequence[str]) -> Embeddings:
        """Encode texts, as Encoder says."""
        return self.text.encode(texts)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count tokens, as Encoder says."""
        return self.text.tokens.count(texts)

    def knows_words(self, texts: Sequence[str]) -> list[bool]:
        """Return whether the model knows a word of each text, as Encoder says."""
        return [self.text.tokens.knows_word(text) for text in texts]

    @property
    def fit(self) -> Callable[[Image.Image], Image.Image]:
        """Resizes and crops an image, as Encoder says. Without the weights, it can be pickled."""
        return partial(preprocess.fit, spec=self._image_tower.spec)

    def encode_image(self, pixels: Pixels) -> Embeddings:
        """Encode images, as Encoder says."""
        if len(pixels) == 0:
            self._image_tower.open()
            return np.zeros((0, self.info.dim), dtype=np.float32)
        return self._image_tower.run(pixels)

    @property
    def _image_tower(self) -> ImageTower:
        if self.image is None:
            raise TypeError(f"{self.info.model_id} reads texts only")
        return self.image
