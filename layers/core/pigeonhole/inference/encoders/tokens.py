"""Texts to token ids, cut and padded as the model was trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from pigeonhole.inference.encoders.artifact import TextSpec

Ids = npt.NDArray[np.int64]
Embeddings = npt.NDArray[np.float32]

# Tokens that go through a text tower at once, padding included: enough to fill the matrix units, few enough to bound memory
# (all-MiniLM-L6-v2 with 32 texts of 256 tokens takes 260 MB more than its weights, with 8 of them 125 MB).
TOKENS_AT_ONCE = 2_048


class TextTokens:
    """A tokenizer with its model's limits. Safe to share between threads."""

    def __init__(self, tokenizer: Tokenizer, spec: TextSpec) -> None:
        self.spec = spec
        self._tokenizer = tokenizer
        # Padding is done below, on arrays, because the tokenizer would pad all texts to one length.
        tokenizer.no_padding()
        tokenizer.enable_truncation(spec.max_tokens)
        self._special = tokenizer.num_special_tokens_to_add(is_pair=False)

    @classmethod
    def read(cls, path: Path, spec: TextSpec) -> TextTokens:
        """Read a tokenizer.json."""
        return cls(Tokenizer.from_file(str(path)), spec)

    def save(self, path: Path) -> None:
        """Write a tokenizer.json that `read` gives back."""
        self._tokenizer.save(str(path), pretty=False)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text before any cut, special tokens included."""
        counts = []
        for text in texts:
            encoding = self._tokenizer.encode(text)
            # What was cut off hangs on the encoding in pieces, each with special tokens of its own.
            pieces = [encoding, *encoding.overflowing]
            counts.append(sum(len(piece.ids) - self._special for piece in pieces) + self._special)
        return counts

    def batches(self, texts: Sequence[str]) -> Iterator[tuple[list[int], Ids, Ids]]:
        """Batches of texts of similar length, so that little is padded: (rows, ids, mask), the arrays (rows, length)."""
        # One by one: the tokenizer's own batch call starts a thread per core, which a function of one core pays for.
        encoded = [self._tokenizer.encode(text).ids for text in texts]
        order = sorted(range(len(encoded)), key=lambda row: len(encoded[row]), reverse=True)
        fixed = self.spec.max_tokens if self.spec.pad_to == "max_tokens" else None
        start = 0
        while start < len(order):
            length = fixed or len(encoded[order[start]])
            rows = order[start : start + max(1, TOKENS_AT_ONCE // length)]
            start += len(rows)
            ids = np.full((len(rows), length), self.spec.pad_id, dtype=np.int64)
            mask = np.zeros_like(ids)
            for place, row in enumerate(rows):
                ids[place, : len(encoded[row])] = encoded[row]
                mask[place, : len(encoded[row])] = 1
            yield rows, ids, mask

    def embed(self, texts: Sequence[str], dim: int, run: Callable[[Ids, Ids], Embeddings]) -> Embeddings:
        """Encode texts by `run` (ids, mask -> (n, dim)), in their own order: float32 (n, dim)."""
        embeddings = np.empty((len(texts), dim), dtype=np.float32)
        for rows, ids, mask in self.batches(texts):
            embeddings[rows] = run(ids, mask)
        return embeddings
