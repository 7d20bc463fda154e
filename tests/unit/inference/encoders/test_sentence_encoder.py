"""The bundled kind of model embeds texts as sentence-transformers runs all-MiniLM-L6-v2."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from pigeonhole.inference.encoders import packages, registry
from pigeonhole.inference.encoders.prepare import prepare
from pigeonhole.inference.encoders.registry import LoadedModel
from support import small_models

pytestmark = pytest.mark.torch

TEXTS = ["A cat.", "a kitten on a sofa", "the quarterly figures", "", "word " * 600]


@pytest.fixture(scope="module")
def artifact_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tower")
    small_models.image_tower(folder, dim=384)
    out = folder.with_name("tower-artifact")
    prepare(str(folder), out)
    return out


@pytest.fixture(scope="module")
def model(artifact_folder: Path) -> LoadedModel:
    return registry.load(artifact_folder)


def test_texts_are_embedded_as_sentence_transformers_does(model: LoadedModel) -> None:
    reference = SentenceTransformer(str(packages.sentence_folder()), device="cpu")
    texts = [text for text in TEXTS if len(text) < 1_000]

    expected = reference.encode(texts, normalize_embeddings=True, show_progress_bar=False)

    assert np.sum(model.sentence.encode_text(texts) * expected, axis=1).min() >= 0.9999
    np.testing.assert_allclose(model.encoder.encode_text(texts), expected, atol=1e-4)


def test_the_end_of_a_long_text_counts(model: LoadedModel) -> None:
    filler = "The minutes of the meeting follow below. " * 60
    about_cats, about_figures = model.sentence.encode_text(
        [f"{filler} {end * 60}" for end in ("A cat meows. ", "Profit grew. ")]
    )
    (cat,) = model.sentence.encode_text(["a cat"])

    assert cat @ about_cats > cat @ about_figures + 0.2


def test_an_embedding_does_not_depend_on_longer_texts(model: LoadedModel) -> None:
    together = model.sentence.encode_text(TEXTS)

    np.testing.assert_allclose(together, np.concatenate([model.sentence.encode_text([text]) for text in TEXTS]), atol=1e-5)


def test_it_reads_256_tokens_at_once_and_all_tokens_are_counted(model: LoadedModel) -> None:
    assert model.sentence.info.max_text_tokens == 256
    assert model.sentence.count_tokens(["", "cat", "word " * 600]) == [2, 3, 602]


def test_related_sentences_are_more_similar_than_others(model: LoadedModel) -> None:
    cat, kitten, figures = model.sentence.encode_text(["a cat", "a kitten", "the quarterly figures"])

    assert cat @ kitten > 0.6 > 0.3 > cat @ figures


def test_the_bundled_kind_loads_within_a_second_of_cpu(artifact_folder: Path) -> None:
    started = time.process_time()
    registry.load(artifact_folder)

    assert time.process_time() - started < 1.0
