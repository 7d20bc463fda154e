"""What an encoder is: the port between the classifier and the model engines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:  # functions/api has neither numpy nor Pillow
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

    Embeddings = npt.NDArray[np.float32]  # (n, dim), each row of length 1
    Pixels = npt.NDArray[np.uint8]  # (n, height, width, 3), RGB


@dataclass(frozen=True)
class EncoderInfo:
    """What scoring and bookkeeping need to know of an encoder.

    `revision`: changes whenever an embedding would. `logit_scale`, `logit_bias`: log-odds = scale * cosine + bias, as the
    model was trained (bias 0 where it has none). `activation`: how the model turns logits into probabilities.
    `max_text_tokens`: longer texts are cut. `image_side`: pixels of the square input; `image_patches`: counted per image.
    `templates`: the model's own prompts for image classes, each with `{}` once.
    """

    model_id: str
    revision: str
    licence: str
    engine: str
    dim: int
    logit_scale: float
    logit_bias: float
    activation: Literal["softmax", "sigmoid"]
    max_text_tokens: int
    image_side: int
    image_patches: int
    templates: tuple[str, ...] = ("{}",)


class Encoder(Protocol):
    """Texts and, where there is an image tower, images to unit embeddings of one space. Safe to call from several threads."""

    @property
    def info(self) -> EncoderInfo: ...

    def encode_text(self, texts: Sequence[str]) -> Embeddings:
        """(n,) texts -> float32 (n, dim), unit rows. Texts beyond `max_text_tokens` are cut. n may be 0."""
        ...

    def fit(self, image: Image.Image) -> Pixels:
        """One RGB image of any size -> uint8 (side, side, 3): the model's own resize and crop."""
        ...

    def encode_image(self, pixels: Pixels) -> Embeddings:
        """uint8 (n, side, side, 3) from `fit` -> float32 (n, dim), unit rows. A row's result doesn't depend on the others."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text as the model would read it, special tokens included, before any cut."""
        ...


@dataclass(frozen=True)
class BackgroundEmbeddings:
    """Generic concepts against which labels are weighed (backgrounds.py), embedded once for a model.

    `photos`: what photos show, in the space of the image-text encoder; `texts`: texts at large, in the sentence encoder's.
    """

    photos: Embeddings
    texts: Embeddings
