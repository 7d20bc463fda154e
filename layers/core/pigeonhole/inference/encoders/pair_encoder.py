"""The PairEncoder of both engines: it reads a text and a hypothesis together. Each engine provides the model as a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Encoding, Tokenizer

from pigeonhole.inference.encoders.artifact import TextSpec
from pigeonhole.inference.encoders.base import EncoderInfo
from pigeonhole.inference.encoders.tokens import BATCH_TOKENS, Embeddings, Ids, TextTokens


class PairTokens(TextTokens):
    """A tokenizer for pairs of texts, with the limits of its model. Thread-safe.

    Of a pair that is too long, the longer text is cut first. That is the sample, because labels are short.
    """

    def __init__(self, tokenizer: Tokenizer, spec: TextSpec) -> None:
        """Take over a tokenizer, and set its truncation."""
        super().__init__(tokenizer, spec)
        self._special_of_pair = tokenizer.num_special_tokens_to_add(is_pair=True)

    def count_pairs(self, texts: Sequence[str], hypotheses: Sequence[str]) -> list[int]:
        """Count for each text the tokens of its longest pair, special tokens included, before it is cut."""
        longest = max(self.count(hypotheses), default=self._special)
        return [count + longest - 2 * self._special + self._special_of_pair for count in self.count(texts)]

    def pair_batches(self, texts: Sequence[str], hypotheses: Sequence[str]) -> Iterator[tuple[list[int], Ids, Ids, Ids]]:
        """Group pairs of similar length in batches, so that there is little padding.

        Yields:
            For each pair of a batch its number, counted text by text. Token ids, mask and token types of the pairs,
            (pairs, length) int64 each.
        """
        encodings = [self._tokenizer.encode(text, hypothesis) for text in texts for hypothesis in hypotheses]
        order = sorted(range(len(encodings)), key=lambda pair: len(encodings[pair].ids), reverse=True)
        start = 0
        while start < len(order):
            length = len(encodings[order[start]].ids)
            pairs = order[start : start + max(1, BATCH_TOKENS // length)]
            start += len(pairs)
            yield pairs, *self._pad([encodings[pair] for pair in pairs], length)

    def _pad(self, encodings: Sequence[Encoding], length: int) -> tuple[Ids, Ids, Ids]:
        ids = np.full((len(encodings), length), self.spec.pad_id, dtype=np.int64)
        mask, types = np.zeros_like(ids), np.zeros_like(ids)
        for row, encoding in enumerate(encodings):
            count = len(encoding.ids)
            ids[row, :count], mask[row, :count], types[row, :count] = encoding.ids, 1, encoding.type_ids
        return ids, mask, types


@dataclass(frozen=True)
class CrossEncoder:
    """A PairEncoder around one model.

    Attributes:
        info: What scoring and bookkeeping need to know.
        tokens: The tokenizer.
        run: Reads token ids, mask and token types of pairs, (pairs, length) int64 each -> log-odds, (pairs, 1) float32.
    """

    info: EncoderInfo
    tokens: PairTokens
    run: Callable[[Ids, Ids, Ids], Embeddings]

    def log_odds(self, texts: Sequence[str], hypotheses: Sequence[str]) -> Embeddings:
        """Compute log-odds, as PairEncoder says."""
        odds = np.empty(len(texts) * len(hypotheses), dtype=np.float32)
        for pairs, ids, mask, types in self.tokens.pair_batches(texts, hypotheses):
            odds[pairs] = self.run(ids, mask, types)[:, 0]
        limit = self.info.logit_scale
        return np.clip(odds, -limit, limit).reshape(len(texts), len(hypotheses))

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count tokens, as PairEncoder says."""
        return self.tokens.count(texts)

    def knows_words(self, texts: Sequence[str]) -> list[bool]:
        """Return whether the model knows a word of each text, as PairEncoder says."""
        return [self.tokens.knows_word(text) for text in texts]

    def count_pair_tokens(self, texts: Sequence[str], hypotheses: Sequence[str]) -> list[int]:
        """Count tokens of pairs, as PairEncoder says."""
        return self.tokens.count_pairs(texts, hypotheses)
