"""Any text model of sentence-transformers is embedded as the library embeds it, in torch and in ONNX Runtime."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from pigeonhole.inference.encoders import artifact, registry
from pigeonhole.inference.encoders.artifact import ModelUnavailable
from pigeonhole.inference.encoders.checkpoints import sentence_transformer, torch_encoder
from pigeonhole.inference.encoders.prepare import prepare
from support import small_models

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("small_sentence")]

E5 = {"query": "query: ", "passage": "passage: "}
KINDS: dict[str, tuple[Callable[[Path], None], str]] = {
    "cls": (lambda folder: small_models.sentence_transformer(folder, pooling="cls_token"), ""),
    "mean, with a prompt": (
        lambda folder: small_models.sentence_transformer(folder, pooling="mean_tokens", prompts={"Classification": "a photo "}),
        "a photo ",
    ),
    "mean without the prompt": (
        lambda folder: small_models.sentence_transformer(
            folder, pooling="mean_tokens", prompts={"classification": "very two "}, include_prompt=False
        ),
        "very two ",
    ),
    "max and a dense layer": (lambda folder: small_models.sentence_transformer(folder, pooling="max_tokens", dense=True), ""),
    "square root of the length": (
        lambda folder: small_models.sentence_transformer(folder, pooling="mean_sqrt_len_tokens", dense=True, normalize=False),
        "",
    ),
    "weighted mean": (lambda folder: small_models.sentence_transformer(folder, pooling="weightedmean_tokens"), ""),
    "last token, lower case": (
        lambda folder: small_models.sentence_transformer(folder, pooling="lasttoken", lower_case=True),
        "",
    ),
    "multilingual": (small_models.multilingual_sentence, ""),
    "no modules.json": (small_models.sentence, ""),
}
# Texts that the models read at once: a longer one is cut by the library, and read in windows here.
TEXTS = ["cat", "A photo of a Cat.", "a photo of two dogs on the sofa", "", "rocket 42"]


@pytest.mark.parametrize("kind", KINDS)
def test_texts_are_embedded_as_the_library_does(kind: str, model_folders: dict[str, Path], tmp_path: Path) -> None:
    make, prompt = KINDS[kind]
    folder = tmp_path / "text-model"
    folder.mkdir()
    make(folder)
    reference = SentenceTransformer(str(folder), device="cpu")
    expected = reference.encode(TEXTS, prompt=prompt, normalize_embeddings=True, show_progress_bar=False)

    prepare(str(model_folders["clip"]), tmp_path / "artifact", sentence=str(folder))
    in_onnx = registry.load(tmp_path / "artifact").sentence
    in_torch = torch_encoder.load(str(model_folders["clip"]), sentence=str(folder)).sentence

    for sentence in (in_onnx, in_torch):
        embeddings = sentence.encode_text(TEXTS)
        assert np.sum(embeddings * expected, axis=1).min() >= 0.9999
        alone = np.concatenate([sentence.encode_text([text]) for text in TEXTS])
        np.testing.assert_allclose(embeddings, alone, atol=1e-5)
    cosines = expected @ expected.T
    assert np.median(cosines[~np.eye(len(TEXTS), dtype=bool)]) < 0.995, "the model has to distinguish the texts"


@pytest.fixture
def text_model(tmp_path: Path) -> Path:
    folder = tmp_path / "text-model"
    folder.mkdir()
    small_models.sentence_transformer(folder, pooling="cls_token", prompts=E5)
    return folder


def test_its_facts_are_in_the_artifact(text_model: Path, model_folders: dict[str, Path], tmp_path: Path) -> None:
    (text_model / "README.md").write_text("---\nlicense: mit\n---\n")
    artifact_info, _ = prepare(str(model_folders["clip"]), tmp_path / "artifact", sentence=str(text_model))

    assert artifact_info.sentence.model_id == "text-model"
    assert artifact_info.sentence.licence == "mit"
    assert artifact_info.sentence.text.prefix == "query: "
    assert artifact_info.sentence.text.max_tokens == small_models.SENTENCE_LENGTH


def test_scale_and_bias_give_its_cosines_the_spread_of_the_bundled_encoder(
    text_model: Path, model_folders: dict[str, Path], tmp_path: Path
) -> None:
    """Whatever the range of a model's cosines, the coefficients of the bundled sentence encoder suit it."""

    def measure(out: Path, sentence: str) -> tuple[float, float]:
        prepare(str(model_folders["clip"]), out, sentence=sentence)
        model = registry.load(out)
        cosines = (model.background.texts @ model.background.texts.T)[np.triu_indices(len(model.background.texts), k=1)]
        scaled = model.sentence.info.logit_scale * cosines + model.sentence.info.logit_bias
        return float(scaled.mean()), float(scaled.std())

    assert measure(tmp_path / "other", str(text_model)) == pytest.approx(
        measure(tmp_path / "bundled", registry.BUNDLED_SENTENCE), rel=1e-3
    )


def test_the_bundled_kind_of_model_keeps_its_own_text_tower(
    text_model: Path, model_folders: dict[str, Path], tmp_path: Path
) -> None:
    """Its image tower was trained into the space of the bundled sentence encoder."""
    name = str(model_folders["image-tower"])
    prepare(name, tmp_path / "bundled")
    prepare(name, tmp_path / "other", sentence=str(text_model))
    bundled, other = registry.load(tmp_path / "bundled"), registry.load(tmp_path / "other")

    np.testing.assert_allclose(other.encoder.encode_text(["a cat"]), bundled.encoder.encode_text(["a cat"]), atol=1e-6)
    assert not artifact.read_info(tmp_path / "other").one_text_model
    assert other.sentence.info.revision != bundled.sentence.info.revision
    assert other.encoder.info.revision != bundled.encoder.info.revision


def test_a_model_is_prepared_again_for_another_text_model(
    text_model: Path, model_folders: dict[str, Path], tmp_path: Path
) -> None:
    name, out = str(model_folders["clip"]), tmp_path / "artifact"

    assert prepare(name, out)[1]
    assert prepare(name, out, sentence=str(text_model))[1]
    assert not prepare(name, out, sentence=str(text_model))[1]
    (text_model / "config_sentence_transformers.json").write_text('{"prompts": {}}')
    assert prepare(name, out, sentence=str(text_model))[1]
    assert prepare(name, out)[1]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("{", "text-model holds no model: its config.json is missing or no JSON"),
        ('{"model_type": "bert"}', "text-model isn't a text model of sentence-transformers"),
        ('{"model_type": "no-such-model"}', "text-model isn't a text model of sentence-transformers"),
    ],
)
def test_a_folder_that_is_no_text_model_is_refused_in_one_line(
    content: str, fault: str, text_model: Path, model_folders: dict[str, Path], tmp_path: Path
) -> None:
    (text_model / "config.json").write_text(content)
    (text_model / "tokenizer.json").write_text("{}")

    with pytest.raises(ModelUnavailable, match=re.escape(fault)) as caught:
        prepare(str(model_folders["clip"]), tmp_path / "artifact", sentence=str(text_model))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("prompts", "default", "prefix"),
    [
        ({}, None, ""),
        ({"query": "query: ", "passage": "passage: "}, None, "query: "),
        ({"query": "Represent this sentence for searching relevant passages: ", "passage": ""}, None, ""),
        ({"query": "search: "}, None, ""),
        ({"query": "q: ", "document": "d: ", "Classification": "task: classification | "}, None, "task: classification | "),
        ({"query": "q: ", "STS": "compare: "}, "STS", "compare: "),
        ({"query": "q: ", "document": "d: "}, "document", "d: "),
        ({"query": None, "document": None}, None, ""),
    ],
)
def test_samples_and_labels_get_the_prompt_for_classification(
    prompts: dict[str, str | None], default: str | None, prefix: str
) -> None:
    assert sentence_transformer.choose_prefix(prompts, default) == prefix
