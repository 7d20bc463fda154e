"""Embed samples, prompts and example images: each distinct one once, in batches, on several threads."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from pigeonhole.inference.encoders.base import Encoder, PairEncoder
from pigeonhole.inference.labels.label_class import LabelClass
from pigeonhole.inference.prompt_cache import PromptCache
from pigeonhole.inference.prompt_store import TenantPrompts
from pigeonhole.inference.scoring.calibration import Floats
from pigeonhole.inference.scoring.combine import TextGroup
from pigeonhole.inference.scoring.log_odds import unit_mean

Pixels = npt.NDArray[np.uint8]
Encode = Callable[[Sequence[str]], Floats]


def join_groups(
    embedded: Sequence[Mapping[str, Floats]], groups: Sequence[TextGroup], prompts: Mapping[str, Sequence[str]]
) -> dict[TextGroup, Floats]:
    """Join the prompts of each group of label texts: their mean in each encoder, side by side, (dim,) float32 each.

    Args:
        embedded: The embedding of each prompt, for each encoder.
        groups: The groups.
        prompts: The prompts of each label text.
    """
    return {
        group: np.concatenate(
            [unit_mean(np.stack([vectors[prompt] for text in group for prompt in prompts[text]])) for vectors in embedded]
        )
        for group in groups
    }


def join_examples(labels: Sequence[LabelClass], embedded: Mapping[str, Floats]) -> dict[str, Floats]:
    """Join the example images of each class that has some: their mean, by the name of the class, (dim,) float32 each."""
    return {label.name: unit_mean(np.stack([embedded[value] for value in label.images])) for label in labels if label.images}


class Embedder:
    """Embeds texts and images with the encoders of a model. Thread-safe."""

    def __init__(self, *, encoder: Encoder, cache_size: int, batch: int, workers: int) -> None:
        """Create an embedder.

        Args:
            encoder: The image-text encoder.
            cache_size: The number of prompt embeddings in the cache.
            batch: The largest number of samples in a batch.
            workers: The number of batches that are encoded at the same time.
        """
        self._encoder = encoder
        self._cache = PromptCache(size=cache_size)
        self._batch = batch
        self._workers = workers

    def embed_texts(self, encoder: Encoder, texts: Sequence[str]) -> Floats:
        """Embed text samples, (n, dim) float32."""
        return self._in_batches(encoder.encode_text, texts, self._batch)

    def read_pairs(self, encoder: PairEncoder, texts: Sequence[str], hypotheses: Sequence[str]) -> Floats:
        """Compute the log-odds that each text entails each hypothesis, (n, m) float32."""
        return self._in_batches(lambda batch: encoder.log_odds(batch, hypotheses), texts, self._batch)

    def embed_images(self, pixels: Sequence[Pixels]) -> Floats:
        """Embed images, (side, side, 3) uint8 each, to (n, dim) float32."""
        return self._in_batches(lambda batch: self._encoder.encode_image(np.stack(batch)), pixels, self._batch)

    def embed_all(
        self, encoders: Sequence[Encoder], prompts: Sequence[str], stored: TenantPrompts | None = None
    ) -> list[dict[str, Floats]]:
        """Embed prompts in each encoder, all of them in one batch.

        Args:
            encoders: The encoders.
            prompts: The prompts.
            stored: The stored prompts of the tenant, None if only the memory of this process is asked.

        Returns:
            The embedding of each prompt, (dim,) float32, for each encoder.
        """
        # An encoder groups prompts by length and limits the number of their tokens itself.
        batch = max(1, len(prompts))
        embedded = []
        for encoder in encoders:
            encode: Encode = partial(self._in_batches, encoder.encode_text, batch=batch)
            if stored is not None:
                encode = partial(stored.embed, encoder, encode, prompts)
            embedded.append(self._cache.embed(encoder.info.revision, encode, prompts))
        return embedded

    def embed_examples(self, examples: Mapping[str, Pixels | Floats]) -> dict[str, Floats]:
        """Embed example images, each (side, side, 3) uint8, to (dim,) float32. What is an embedding already stays."""
        vectors = {value: np.asarray(example, np.float32) for value, example in examples.items() if example.ndim == 1}
        pixels = {value: np.asarray(example, np.uint8) for value, example in examples.items() if example.ndim > 1}
        return vectors | dict(zip(pixels, self.embed_images([*pixels.values()]), strict=True))

    def _in_batches(self, encode: Callable[[Any], Floats], items: Sequence[Any], batch: int) -> Floats:
        """Encode items in batches of nearly equal size, on all workers: (n, dim) float32 in the order of the items."""
        if not len(items):
            return np.zeros((0, self._encoder.info.dim), dtype=np.float32)
        rounds = math.ceil(len(items) / batch / self._workers)
        count = min(len(items), rounds * self._workers)
        if count == 1:
            return encode(items)
        batches = [items[len(items) * k // count : len(items) * (k + 1) // count] for k in range(count)]
        with ThreadPoolExecutor(self._workers, thread_name_prefix="encode") as pool:
            return np.concatenate(list(pool.map(encode, batches)))
