"""Compare text samples with label texts, in the sentence encoder and, where that helps, in the multilingual one as well."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pigeonhole.inference.embedder import Embedder
from pigeonhole.inference.encoders.base import BackgroundEmbeddings, Encoder
from pigeonhole.inference.languages import is_english
from pigeonhole.inference.scoring.calibration import Evidence, Floats, MultilingualWeights
from pigeonhole.inference.scoring.joint import compute_joint_evidence, join_samples
from pigeonhole.inference.scoring.log_odds import compute_evidence


class TextComparison:
    """The sentence encoders of a model. Thread-safe.

    A batch of samples is embedded in the sentence encoder only, (n, dim), or jointly (scoring/joint.py), (n, joint dim).
    """

    def __init__(
        self, *, sentence: Encoder, multilingual: Encoder | None, background: BackgroundEmbeddings, embedder: Embedder
    ) -> None:
        """Create a comparison.

        Args:
            sentence: The sentence encoder.
            multilingual: The multilingual sentence encoder, None if there is none.
            background: The generic texts, embedded by these encoders.
            embedder: Embeds texts.
        """
        self._sentence = sentence
        self._multilingual = multilingual
        self._background = background
        self._embedder = embedder

    def embed_samples(self, texts: Sequence[str], weights: MultilingualWeights) -> Floats:
        """Embed samples, jointly if at least one of them has a weight above 0.

        The multilingual encoder reads only the texts with such a weight.

        Args:
            texts: The samples.
            weights: The weights of the multilingual encoder.

        Returns:
            (n, dim) or (n, joint dim) float32.
        """
        first = self._embedder.embed_texts(self._sentence, texts)
        if self._multilingual is None or not len(texts):
            return first
        weight = self._weigh(texts, weights)
        rows = np.flatnonzero(weight)
        if not len(rows):
            return first
        second = np.zeros((len(texts), self._multilingual.info.dim), dtype=np.float32)
        second[rows] = self._embedder.embed_texts(self._multilingual, [texts[row] for row in rows.tolist()])
        return join_samples(first, second, weight)

    def encoders_for(self, samples: Floats | None) -> tuple[Encoder, ...]:
        """Return the encoders whose embeddings make up those of the labels.

        Args:
            samples: The embedded samples, None for any samples.
        """
        if self._multilingual is None or (samples is not None and not self._is_joint(samples)):
            return (self._sentence,)
        return (self._sentence, self._multilingual)

    def compare(self, samples: Floats, labels: Floats) -> Evidence:
        """Compare samples with labels. Labels may be joint where the samples aren't.

        Args:
            samples: From `embed_samples`.
            labels: Embeddings of the encoders that `encoders_for` names, side by side, (labels, dim or joint dim) float32.
        """
        texts, others = self._background.texts, self._background.multilingual_texts
        dim, scale = self._sentence.info.dim, self._sentence.info.logit_scale
        if others is None or not self._is_joint(samples):
            return compute_evidence(samples, labels[:, :dim], texts, scale, texts=texts)
        joint_texts = np.concatenate([texts, others], axis=1)
        return compute_joint_evidence(samples, labels, joint_texts, dim, scale)

    def _is_joint(self, samples: Floats) -> bool:
        return bool(samples.shape[1] > self._sentence.info.dim)

    def _weigh(self, texts: Sequence[str], weights: MultilingualWeights) -> Floats:
        """Return the weight of the multilingual encoder for each text, (n,) float32."""
        special, *counts = self._sentence.count_tokens(["", *texts])
        english = [is_english(text, count - special) for text, count in zip(texts, counts, strict=True)]
        return np.where(english, weights.english, weights.other).astype(np.float32)
