"""Turn texts into token ids, cut or divided into windows, and padded as the model was trained.

A window is a run of tokens that the model reads at once. The windows of a long text follow each other without overlap. Each has
the model's special tokens. The embedding of the text is the mean of theirs on the unit sphere, weighted by their tokens.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from pigeonhole.inference.encoders.artifact import TextSpec
from pigeonhole.inference.scoring.log_odds import unit_mean

Ids = npt.NDArray[np.int64]
Embeddings = npt.NDArray[np.float32]

# The number of tokens in a batch, padding included. It is enough to fill the matrix units, and it limits memory:
# all-MiniLM-L6-v2 takes 260 MB more than its weights for 32 texts of 256 tokens, and 125 MB more for 8 texts.
BATCH_TOKENS = 2_048
UNKNOWN_TOKENS = ("<unk>", "[UNK]")

# A vocabulary holds words of a script if it has so many tokens of several letters of this script, or so many single letters, as
# a Chinese one has. The vocabulary of all-MiniLM-L6-v2 has 27,533 such tokens in Latin script, at most 8 in any other, and 488
# single Chinese letters. It spells other languages letter by letter, and has learned nothing about them.
MIN_SCRIPT_WORDS = 100
MIN_SCRIPT_LETTERS = 2_000
# Every vocabulary has tokens for an English word, known or not. Longer runs of letters may be encoded data.
_PLAIN_WORD = re.compile(r"(?<!\w)[A-Za-z0-9]{1,40}(?!\w)")


class TextTokens:
    """A tokenizer with the limits of its model. Thread-safe."""

    def __init__(self, tokenizer: Tokenizer, spec: TextSpec) -> None:
        """Take over a tokenizer, and set its truncation."""
        self.spec = spec
        self._tokenizer = tokenizer
        # `batches` pads arrays, because the tokenizer would pad all texts to one length.
        tokenizer.no_padding()
        self._prefix_ids = tokenizer.encode(spec.prefix.rstrip(), add_special_tokens=False).ids if spec.prefix else []
        repeated = len(self._prefix_ids) if spec.long_texts == "windows" else 0
        tokenizer.enable_truncation(spec.max_tokens - repeated)
        self._special = tokenizer.num_special_tokens_to_add(is_pair=False)

    @classmethod
    def from_file(cls, path: Path, spec: TextSpec) -> Self:
        """Read a tokenizer.json."""
        return cls(Tokenizer.from_file(str(path)), spec)

    def save(self, path: Path) -> None:
        """Write a tokenizer.json, which `from_file` reads."""
        self._tokenizer.save(str(path), pretty=False)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each text, special tokens included, before it is cut."""
        counts = []
        for text in texts:
            encoding = self._tokenizer.encode(self.spec.prefix + text)
            # The rest of a cut text is in further pieces of the encoding, each with special tokens of its own.
            pieces = [encoding, *encoding.overflowing]
            counts.append(sum(len(piece.ids) - self._special for piece in pieces) + self._special)
        return counts

    def knows_word(self, text: str) -> bool:
        """Return whether one of the tokens of a text stands for a number or for letters of a script with known words."""
        if _PLAIN_WORD.search(text):
            return True
        # A Unigram model has no such attribute.
        names = (getattr(self._tokenizer.model, "unk_token", None) or "", *UNKNOWN_TOKENS)
        unknown = {self._tokenizer.token_to_id(name) for name in names}
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return any(
            token not in unknown and self._is_known(text[start:end])
            for piece in (encoding, *encoding.overflowing)
            for token, (start, end) in zip(piece.ids, piece.offsets, strict=True)
        )

    def _is_known(self, letters: str) -> bool:
        return any(letter.isnumeric() or (letter.isalpha() and _script(letter) in self._known_scripts) for letter in letters)

    @cached_property
    def _known_scripts(self) -> frozenset[str]:
        """The scripts of which the vocabulary has words."""
        words: Counter[str] = Counter()
        letters: Counter[str] = Counter()
        decode = self._tokenizer.decoder.decode if self._tokenizer.decoder else "".join
        for token in self._tokenizer.get_vocab():
            text = [letter for letter in decode([token]) if letter.isalpha()]
            if text:
                (words if len(text) > 1 else letters)[_script(text[0])] += 1
        by_words = {script for script, count in words.items() if count >= MIN_SCRIPT_WORDS}
        return frozenset(by_words | {script for script, count in letters.items() if count >= MIN_SCRIPT_LETTERS})

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text as a model reads them that cuts long texts, with special tokens."""
        return list(self._tokenizer.encode(self.spec.prefix + text).ids)

    def batches(self, texts: Sequence[str]) -> Iterator[tuple[list[int], Ids, Ids]]:
        """Group the windows of texts by similar length in batches, so that there is little padding.

        Yields:
            For each window of a batch the row of its text in `texts`. The token ids and the mask of the windows,
            (windows, length) int64 each.
        """
        # One text at a time: the tokenizer's batch call starts a thread per core, which slows down a function with one core.
        windows = [(row, window) for row, text in enumerate(texts) for window in self._windows(text)]
        windows.sort(key=lambda window: len(window[1]), reverse=True)
        fixed = self.spec.max_tokens if self.spec.pad_to == "max_tokens" else None
        start = 0
        while start < len(windows):
            length = fixed or len(windows[start][1])
            batch = windows[start : start + max(1, BATCH_TOKENS // length)]
            start += len(batch)
            ids = np.full((len(batch), length), self.spec.pad_id, dtype=np.int64)
            mask = np.zeros_like(ids)
            for position, (_, window) in enumerate(batch):
                ids[position, : len(window)] = window
                mask[position, : len(window)] = 1
            yield [row for row, _ in batch], ids, mask

    def _windows(self, text: str) -> list[list[int]]:
        """Return the token ids of each window of a text. A text that is cut has one window."""
        encoding = self._tokenizer.encode(self.spec.prefix + text)
        further = encoding.overflowing if self.spec.long_texts == "windows" else ()
        return [encoding.ids, *(self._repeat_prefix(window) for window in further)]

    def _repeat_prefix(self, window: Encoding) -> list[int]:
        """Return the token ids of a further window, with the prefix before its first token that isn't special."""
        start = window.special_tokens_mask.index(0)
        return [*window.ids[:start], *self._prefix_ids, *window.ids[start:]]

    def embed(self, texts: Sequence[str], dim: int, run: Callable[[Ids, Ids], Embeddings]) -> Embeddings:
        """Embed texts.

        Args:
            texts: (n,) texts.
            dim: The length of an embedding.
            run: Runs the text tower on token ids and mask, (windows, length) int64 each -> (windows, dim) float32.

        Returns:
            Embeddings in the order of the texts, (n, dim) float32.
        """
        windows: list[list[tuple[Embeddings, int]]] = [[] for _ in texts]
        for rows, ids, mask in self.batches(texts):
            for row, embedding, count in zip(rows, run(ids, mask), mask.sum(axis=1), strict=True):
                windows[row].append((embedding, int(count) - self._special - len(self._prefix_ids)))
        embeddings = np.empty((len(texts), dim), dtype=np.float32)
        for row, windows_of_text in enumerate(windows):
            embeddings[row] = _pool(windows_of_text)
        return embeddings


def _pool(windows: Sequence[tuple[Embeddings, int]]) -> Embeddings:
    """Return the embedding of a text, (dim,) float32, from those of its windows and their numbers of tokens."""
    if len(windows) == 1:
        return windows[0][0]
    vectors, counts = zip(*windows, strict=True)
    return unit_mean(np.stack(vectors), weights=counts)


def _script(letter: str) -> str:
    """Return the script of a letter, the first word of its name in Unicode: LATIN, CYRILLIC, CJK."""
    return unicodedata.name(letter, "").partition(" ")[0]
