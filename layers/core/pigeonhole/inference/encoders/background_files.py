"""The background concepts of backgrounds.py, embedded for a model when its artifact is made, and read when it is loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pigeonhole.inference.encoders.artifact import PHOTO_BACKGROUND, TEXT_BACKGROUND, broken
from pigeonhole.inference.encoders.base import BackgroundEmbeddings, Encoder
from pigeonhole.inference.encoders.tokens import Embeddings
from pigeonhole.inference.labels.background_concepts import PHOTO_CONCEPTS, TEXTS
from pigeonhole.inference.labels.prompts import build_prompts
from pigeonhole.inference.scoring.log_odds import unit_mean


def embed(encoder: Encoder, sentence: Encoder) -> BackgroundEmbeddings:
    """Embed the concepts as labels are, in the model's templates, and the texts as they are."""
    prompted = [build_prompts(concept, encoder.info.templates) for concept in PHOTO_CONCEPTS]
    vectors = encoder.encode_text([prompt for of_concept in prompted for prompt in of_concept])
    ends = np.cumsum([len(of_concept) for of_concept in prompted])[:-1]
    photos = np.stack([unit_mean(of_concept) for of_concept in np.split(vectors, ends)])
    return BackgroundEmbeddings(photos, texts=sentence.encode_text(TEXTS))


def write(folder: Path, background: BackgroundEmbeddings) -> None:
    """Write the two arrays, float32 (concepts, dim), into an artifact folder."""
    np.save(folder / PHOTO_BACKGROUND, background.photos, allow_pickle=False)
    np.save(folder / TEXT_BACKGROUND, background.texts, allow_pickle=False)


def read(folder: Path, dim: int, sentence_dim: int) -> BackgroundEmbeddings:
    """Read them.

    Raises ModelUnavailable where they don't fit the encoders' embeddings, of length `dim` and `sentence_dim`.
    """
    return BackgroundEmbeddings(_read(folder / PHOTO_BACKGROUND, dim), _read(folder / TEXT_BACKGROUND, sentence_dim))


def _read(path: Path, dim: int) -> Embeddings:
    try:
        rows = np.load(path, allow_pickle=False)
    except (OSError, ValueError):
        raise broken(path.parent, f"{path.name} can't be read") from None
    if rows.ndim != 2 or rows.shape[1] != dim or rows.dtype != np.float32 or not len(rows):
        raise broken(path.parent, f"{path.name} isn't float32 (concepts, {dim})")
    return np.asarray(rows)
