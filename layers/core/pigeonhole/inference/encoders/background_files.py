"""The background concepts of backgrounds.py, embedded for a model when its artifact is made, and read when it is loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pigeonhole.inference.encoders.artifact import PHOTO_BACKGROUND, TEXT_BACKGROUND, broken
from pigeonhole.inference.encoders.base import Backgrounds, Encoder
from pigeonhole.inference.encoders.tokens import Embeddings
from pigeonhole.inference.labels import prompts
from pigeonhole.inference.labels.background_concepts import PHOTO_CONCEPTS, TEXTS
from pigeonhole.inference.scoring import log_odds as scoring


def embed(encoder: Encoder, sentence: Encoder) -> Backgrounds:
    """Embed the concepts as labels are, in the model's templates, and the texts as they are."""
    prompted = [prompts.prompts_for(concept, encoder.info.templates) for concept in PHOTO_CONCEPTS]
    vectors = encoder.encode_text([prompt for of_concept in prompted for prompt in of_concept])
    ends = np.cumsum([len(of_concept) for of_concept in prompted])[:-1]
    photos = np.stack([scoring.unit_mean(of_concept) for of_concept in np.split(vectors, ends)])
    return Backgrounds(photos, texts=sentence.encode_text(TEXTS))


def write(folder: Path, backgrounds: Backgrounds) -> None:
    """Write the two arrays, float32 (concepts, dim), into an artifact folder."""
    np.save(folder / PHOTO_BACKGROUND, backgrounds.photos, allow_pickle=False)
    np.save(folder / TEXT_BACKGROUND, backgrounds.texts, allow_pickle=False)


def read(folder: Path, dim: int, sentence_dim: int) -> Backgrounds:
    """Read them.

    Raises ModelUnavailable where they don't fit the encoders' embeddings, of length `dim` and `sentence_dim`.
    """
    return Backgrounds(_read(folder / PHOTO_BACKGROUND, dim), _read(folder / TEXT_BACKGROUND, sentence_dim))


def _read(path: Path, dim: int) -> Embeddings:
    try:
        rows = np.load(path, allow_pickle=False)
    except (OSError, ValueError):
        raise broken(path.parent, f"{path.name} can't be read") from None
    if rows.ndim != 2 or rows.shape[1] != dim or rows.dtype != np.float32 or not len(rows):
        raise broken(path.parent, f"{path.name} isn't float32 (concepts, {dim})")
    return np.asarray(rows)
