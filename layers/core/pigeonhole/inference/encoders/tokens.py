"""Turn texts into token ids, cut and padded as the model was trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from pigeonhole.inference.encoders.artifact import TextSpec

Ids = npt.NDArray[np.int64]
Embeddings = npt.NDArray[np.float32]

# The number of tokens in a batch, padding included. It is enough to fill the matrix units, and it limits memory:
# all-MiniLM-L6-v2 takes 260 MB more than its weights for 32 texts of 256 tokens, and 125 MB more for 8 texts.
BATCH_TOKENS = 2_048


class TextTokens:
    """A tokenizer with the limits of its model. Thread-safe."""

    def __init__(self, tokenizer: Tokenizer, spec: TextSpec) -> None:
        """Take over a tokenizer, and set its truncation."""
        self.spec = spec
        self._tokenizer = tokenizer
        # `batches` pads arrays, because the tokenizer would pad all texts to one length.
        tokenizer.no_padding()
        tokenizer.enable_truncation(spec.max_tokens)
        self._special = tokenizer.num_special_tokens_to_add(is_pair=False)

    @classmethod
    def from_file(cls, path: Path, spec: TextSpec) -> TextTokens:
        """Read a tokenizer.json."""
        return cls(Tokenizer.from_file(str(path)), spec)

    def save(self, path: Path) -> None:
        """Write a tokenizer.json, which `from_file` reads."""
        self._tokenizer.save(str(path), pretty=False)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each text, special tokens included, before it is cut."""
        counts = []
        for text in texts:
            encoding = self._tokenizer.encode(text)
            # The rest of a cut text is in further pieces of the encoding, each with special tokens of its own.
            pieces = [encoding, *encoding.overflowing]
            counts.append(sum(len(piece.ids) - self._special for piece in pieces) + self._special)
        return counts

    def batches(self, texts: Sequence[str]) -> Iterator[tuple[list[int], Ids, Ids]]:
        """Group texts of similar length in batches, so that there is little padding.

        Yields:
            The rows of a batch in `texts`, its token ids and its mask, (rows, length) int64 each.
        """
        # One text at a time: the tokenizer's batch call starts a thread per core, which slows down a function with one core.
        encoded = [self._tokenizer.encode(text).ids for text in texts]
        order = sorted(range(len(encoded)), key=lambda row: len(encoded[row]), reverse=True)
        fixed = self.spec.max_tokens if self.spec.pad_to == "max_tokens" else None
        start = 0
        while start < len(order):
            length = fixed or len(encoded[order[start]])
            rows = order[start : start + max(1, BATCH_TOKENS // length)]
            start += len(rows)
            ids = np.full((len(rows), length), self.spec.pad_id, dtype=np.int64)
            mask = np.zeros_like(ids)
            for position, row in enumerate(rows):
                ids[position, : len(encoded[row])] = encoded[row]
                mask[position, : len(encoded[row])] = 1
            yield rows, ids, mask

    def embed(self, texts: Sequence[str], dim: int, run: Callable[[Ids, Ids], Embeddings]) -> Embeddings:
        """Embed texts.

        Args:
            texts: (n,) texts.
            dim: The length of an embedding.
            run: Runs the text tower on token ids and mask, (rows, length) int64 each -> (rows, dim) float32.

        Returns:
            Embeddings in the order of the texts, (n, dim) float32.
        """
        embeddings = np.empty((len(texts), dim), dtype=np.float32)
        for rows, ids, mask in self.batches(texts):
            embeddings[rows] = run(ids, mask)
        return embeddings
