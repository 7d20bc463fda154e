"""Embed what samples and labels are compared with when an artifact is made, and read it when the artifact is loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pigeonhole.inference.encoders.artifact import (
    GENERIC_PHOTOS,
    HYPONYMS,
    MULTILINGUAL_BACKGROUND,
    PHOTO_BACKGROUND,
    TEXT_BACKGROUND,
    TRAINED_CLASSES,
    broken_artifact,
)
from pigeonhole.inference.encoders.base import BackgroundEmbeddings, Encoder, EncoderInfo, PairEncoder, is_encoder
from pigeonhole.inference.encoders.tokens import Embeddings
from pigeonhole.inference.labels.background_concepts import PHOTO_CONCEPTS, TEXTS
from pigeonhole.inference.labels.hyponyms import Hyponyms
from pigeonhole.inference.labels.prompts import build_prompts
from pigeonhole.inference.scoring.log_odds import unit_mean


def embed(
    encoder: Encoder,
    sentence: Encoder | PairEncoder,
    multilingual: Encoder | None = None,
    generic_photos: Embeddings | None = None,
    hyponyms: Hyponyms | None = None,
) -> BackgroundEmbeddings:
    """Embed the background concepts. Photo concepts are embedded in the model's templates, as labels are; texts unchanged.

    Args:
        encoder: The image-text encoder.
        sentence: What compares texts with texts.
        multilingual: The multilingual sentence encoder, None if there is none.
        generic_photos: The embeddings of photos of many kinds, None if the model brings none.
        hyponyms: What general words name, None if the model doesn't say.
    """
    prompts = [build_prompts(concept, encoder.info.templates) for concept in PHOTO_CONCEPTS]
    vectors = encoder.encode_text([prompt for prompts_of_concept in prompts for prompt in prompts_of_concept])
    ends = np.cumsum([len(prompts_of_concept) for prompts_of_concept in prompts])[:-1]
    photos = np.stack([unit_mean(concept_vectors) for concept_vectors in np.split(vectors, ends)])
    texts = sentence.encode_text(TEXTS) if is_encoder(sentence) else np.zeros((0, sentence.info.dim), dtype=np.float32)
    multilingual_texts = multilingual.encode_text(TEXTS) if multilingual else None
    return BackgroundEmbeddings(photos, texts, generic_photos, hyponyms, multilingual_texts)


def write(folder: Path, background: BackgroundEmbeddings) -> None:
    """Write the files into an artifact folder."""
    np.save(folder / PHOTO_BACKGROUND, background.photos, allow_pickle=False)
    np.save(folder / TEXT_BACKGROUND, background.texts, allow_pickle=False)
    if background.generic_photos is not None:
        np.save(folder / GENERIC_PHOTOS, background.generic_photos, allow_pickle=False)
    if background.hyponyms is not None:
        np.save(folder / TRAINED_CLASSES, background.hyponyms.classes, allow_pickle=False)
        background.hyponyms.write(folder / HYPONYMS)
    if background.multilingual_texts is not None:
        np.save(folder / MULTILINGUAL_BACKGROUND, background.multilingual_texts, allow_pickle=False)


def read(folder: Path, dim: int, sentence: EncoderInfo, multilingual_dim: int | None = None) -> BackgroundEmbeddings:
    """Read the files of an artifact folder, with the optional ones if it has them.

    Args:
        folder: The artifact folder.
        dim: The length of an embedding of the image-text encoder.
        sentence: What compares texts with texts.
        multilingual_dim: The length of an embedding of the multilingual sentence encoder, None if there is none.

    Raises:
        ModelUnavailable: A file is broken, or its embeddings have another length.
    """
    photos = _read(folder / PHOTO_BACKGROUND, dim)
    texts = _read(folder / TEXT_BACKGROUND, sentence.dim, least=0 if sentence.reads_pairs else 1)
    generic_photos = _read(folder / GENERIC_PHOTOS, dim) if (folder / GENERIC_PHOTOS).exists() else None
    hyponyms = None
    if (folder / HYPONYMS).exists():
        try:
            hyponyms = Hyponyms.read(folder / HYPONYMS, _read(folder / TRAINED_CLASSES, dim))
        except (OSError, ValueError) as error:
            raise broken_artifact(folder, f"{HYPONYMS}: {error}") from None
    multilingual_texts = None
    if multilingual_dim is not None:
        multilingual_texts = _read(folder / MULTILINGUAL_BACKGROUND, multilingual_dim)
        if len(multilingual_texts) != len(texts):
            raise broken_artifact(folder, f"{MULTILINGUAL_BACKGROUND} holds other texts than {TEXT_BACKGROUND}")
    return BackgroundEmbeddings(photos, texts, generic_photos, hyponyms, multilingual_texts)


def _read(path: Path, dim: int, least: int = 1) -> Embeddings:
    try:
        rows = np.load(path, allow_pickle=False)
    except (OSError, ValueError):
        raise broken_artifact(path.parent, f"{path.name} can't be read") from None
    if rows.ndim != 2 or rows.shape[1] != dim or rows.dtype != np.float32 or len(rows) < least:
        raise broken_artifact(path.parent, f"{path.name} isn't float32 (concepts, {dim})")
    return np.asarray(rows)
