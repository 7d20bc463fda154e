"""A deterministic encoder for tests, without weights or files. Its embeddings are predictable.

A text is a bag of hashed words, so texts that share words are similar. An image is the word for its mean colour, so a red image
is similar to "red". Only tests use this encoder.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from pigeonhole.inference.encoders.base import EncoderInfo

SIDE = 8
COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 180, 30),
    "blue": (30, 30, 220),
    "yellow": (230, 220, 40),
    "white": (245, 245, 245),
    "black": (10, 10, 10),
    "grey": (128, 128, 128),
}


@dataclass(frozen=True)
class FakeEncoder:
    """An Encoder for tests.

    Attributes:
        dim: The length of an embedding.
        model_id: The name of the model.
        max_text_tokens: The number of words that the encoder reads at once.
        long_texts: What happens to a text with more words. A bag of words is read in windows as it is read at once.
    """

    dim: int = 64
    model_id: str = "fake"
    max_text_tokens: int = 77
    long_texts: Literal["cut", "windows"] = "cut"

    @cached_property
    def info(self) -> EncoderInfo:
        """What scoring and bookkeeping need to know."""
        return EncoderInfo(
            model_id=self.model_id,
            revision=f"fake-{self.dim}",
            licence="Apache-2.0",
            engine="fake",
            dim=self.dim,
            logit_scale=20.0,
            logit_bias=0.0,
            activation="softmax",
            max_text_tokens=self.max_text_tokens,
            image_side=SIDE,
            image_patches=1,
            templates=("{}", "a photo of {}"),
            long_texts=self.long_texts,
        )

    def encode_text(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Encode texts, as Encoder says."""
        limit = self.max_text_tokens if self.long_texts == "cut" else None
        return self._rows([self._bag(_words(text)[:limit]) for text in texts])

    def fit(self, image: Image.Image) -> Image.Image:
        """Resize an image, as Encoder says."""
        return image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)

    def encode_image(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Encode images, as Encoder says."""
        return self._rows([self._bag([_nearest_colour(picture)]) + 0.05 * self._word(_digest(picture)) for picture in pixels])

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count words, as Encoder says."""
        return [len(_words(text)) for text in texts]

    def knows_words(self, texts: Sequence[str]) -> list[bool]:
        """Return whether each text has a word in Latin letters or a number, as Encoder says."""
        return [bool(re.search(r"[A-Za-z0-9]", text)) for text in texts]

    def _rows(self, vectors: list[npt.NDArray[np.float64]]) -> npt.NDArray[np.float32]:
        if not vectors:
            return np.zeros((0, self.dim), dtype=np.float32)
        matrix = np.stack(vectors)
        return np.asarray(matrix / np.linalg.norm(matrix, axis=1, keepdims=True), dtype=np.float32)

    def _bag(self, words: Sequence[str]) -> npt.NDArray[np.float64]:
        return np.asarray(np.sum([self._word(word) for word in words or ["nothing"]], axis=0))

    def _word(self, word: str) -> npt.NDArray[np.float64]:
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
        return np.random.default_rng(seed).standard_normal(self.dim)


@dataclass(frozen=True)
class FakePairEncoder:
    """A PairEncoder for tests: a text entails a hypothesis if it has the hypothesis's last word.

    Attributes:
        max_text_tokens: The token limit of a pair, in words.
        pairs: The number of pairs that were read.
    """

    max_text_tokens: int = 77
    pairs: list[tuple[str, str]] = field(default_factory=list)

    @cached_property
    def info(self) -> EncoderInfo:
        """What scoring and bookkeeping need to know."""
        info = FakeEncoder(dim=1, model_id="fake-pairs", max_text_tokens=self.max_text_tokens).info
        return replace(info, templates=("This text is about {}.",), reads_pairs=True, long_texts="cut")

    def log_odds(self, texts: Sequence[str], hypotheses: Sequence[str]) -> npt.NDArray[np.float32]:
        """Compute log-odds, as PairEncoder says: 6 or -6."""
        self.pairs.extend((text, hypothesis) for text in texts for hypothesis in hypotheses)
        entailed = [[_words(hypothesis)[-1] in _words(text) for hypothesis in hypotheses] for text in texts]
        return np.where(np.array(entailed).reshape(len(texts), len(hypotheses)), 6.0, -6.0).astype(np.float32)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count words, as PairEncoder says."""
        return [len(_words(text)) for text in texts]

    def knows_words(self, texts: Sequence[str]) -> list[bool]:
        """Return whether each text has a word in Latin letters or a number, as PairEncoder says."""
        return FakeEncoder().knows_words(texts)

    def count_pair_tokens(self, texts: Sequence[str], hypotheses: Sequence[str]) -> list[int]:
        """Count words of pairs, as PairEncoder says."""
        longest = max(self.count_tokens(hypotheses), default=0)
        return [count + longest + 3 for count in self.count_tokens(texts)]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _nearest_colour(picture: npt.NDArray[np.uint8]) -> str:
    mean = picture.reshape(-1, 3).mean(axis=0)
    return min(COLOURS, key=lambda name: float(np.sum((mean - COLOURS[name]) ** 2)))


def _digest(picture: npt.NDArray[np.uint8]) -> str:
    return hashlib.sha256(picture.tobytes()).hexdigest()
