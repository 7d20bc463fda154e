"""A simulated encoder with photos and texts of numbered things, for the tests of calibrations.

Photos are embedded around their class, and so are texts, but far from the photos. A photo and its own name are therefore less
similar than two photos of different things.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from pigeonhole.inference.classifier import Classifier
from pigeonhole.inference.encoders.base import BackgroundEmbeddings, EncoderInfo
from pigeonhole.inference.scoring.calibration import Calibration, prior_calibration
from pigeonhole_cli.evaluation.item import Item
from support.fake_encoder import FakeEncoder

Vectors = npt.NDArray[np.float32]

DIM = 64
TRAINED_CLASSES = range(24)  # the classes on which a calibration is fitted


@dataclass(frozen=True)
class SimulatedEncoder:
    """An encoder of simulated photos and texts. The left and the right half of a photo each encode what they show."""

    @property
    def info(self) -> EncoderInfo:
        return replace(FakeEncoder(dim=DIM).info, model_id="world", image_side=2, logit_scale=40.0)

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        return rows([self._text(text) for text in texts])

    def fit(self, image: Image.Image) -> Image.Image:
        return image.convert("RGB").resize((2, 2), Image.Resampling.NEAREST)

    def encode_image(self, pixels: npt.NDArray[np.uint8]) -> Vectors:
        return rows([self._photo([tuple(map(int, side)) for side in photo[0]]) for photo in pixels])

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def knows_words(self, texts: Sequence[str]) -> list[bool]:
        return [True for _ in texts]

    def _text(self, text: str) -> Vectors:
        meaning = sum((direction(name) for name in re.findall(r"thing \d+", text)), start=np.zeros(DIM))
        return meaning + 0.8 * direction("words") + 1.8 * direction(text.replace("picture of ", ""))

    def _photo(self, sides: Sequence[tuple[int, ...]]) -> Vectors:
        things = list(dict.fromkeys(f"thing {side[0]}" for side in sides))
        meaning = sum((direction(name) for name in things), start=np.zeros(DIM))
        return meaning + 2 * direction("photos") + 1.6 * direction(f"photo {sides}")


@cache
def direction(name: str) -> npt.NDArray[np.float64]:
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    vector = np.random.default_rng(seed).standard_normal(DIM)
    return np.asarray(vector / np.linalg.norm(vector))


def rows(vectors: Sequence[Vectors]) -> Vectors:
    matrix = np.stack(vectors) if vectors else np.zeros((0, DIM))
    return np.asarray(matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-9), dtype=np.float32)


def classifier(calibration: Calibration | None = None) -> Classifier:
    encoder = SimulatedEncoder()
    generic = encoder.encode_text([f"concept {number}" for number in range(50)])
    return Classifier(
        encoder=encoder,
        sentence=encoder,
        calibration=calibration or prior_calibration(encoder.info),
        background=BackgroundEmbeddings(generic, generic),
        batch=64,
    )


def png(index: int, number: int) -> bytes:
    file = BytesIO()
    Image.new("RGB", (2, 2), (index, number, 0)).save(file, "PNG")
    return file.getvalue()


def pixels(index: int, number: int) -> npt.NDArray[np.uint8]:
    return np.array([[[index, number, 0]] * 2] * 2, dtype=np.uint8)


def page(index: int, number: int) -> str:
    return f"page {number} about thing {index}"


def photo(index: int, number: int, *truth: str) -> Item:
    return Item(
        "image", f"{index}/{number}.png", truth or (f"thing {index}",), f"photos/{index}/{number}.png", png(index, number)
    )


def text(value: str, *truth: str) -> Item:
    return Item("text", value, truth, f"texts.csv, line {len(value)}")


def photos(classes: Sequence[int] = TRAINED_CLASSES, count: int = 12, first: int = 0) -> list[Item]:
    return [photo(index, number) for index in classes for number in range(first, first + count)]


def texts(classes: Sequence[int] = TRAINED_CLASSES, count: int = 12) -> list[Item]:
    return [text(page(index, n), f"thing {index}") for index in classes for n in range(count)]
