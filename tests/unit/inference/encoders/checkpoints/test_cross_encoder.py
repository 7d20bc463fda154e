"""A cross-encoder gives the log-odds of entailment as transformers computes them, in torch and in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from pigeonhole.inference.encoders import artifact, export, registry
from pigeonhole.inference.encoders.artifact import ModelUnavailable
from pigeonhole.inference.encoders.checkpoints import torch_encoder
from pigeonhole.inference.encoders.pair_encoder import CrossEncoder
from pigeonhole.inference.encoders.prepare import prepare
from support import small_models

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("small_sentence")]

KINDS: dict[str, Callable[[Path], None]] = {
    "deberta": small_models.cross_encoder,
    "bert": small_models.bert_cross_encoder,
}
TEXTS = ["cat", "A photo of a Cat.", "a photo of two dogs on the sofa", "", "very " * 80 + "rocket"]
HYPOTHESES = ["This text is about cat.", "rocket", "a photo of two very very very old temples and a cup of coffee"]


@pytest.fixture(params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    made = tmp_path / "cross"
    made.mkdir()
    KINDS[request.param](made)
    return made


def expect_log_odds(folder: Path) -> np.ndarray:
    """Compute with transformers: log p(entailment) - log(1 - p(entailment)) of each pair, (texts, hypotheses)."""
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    entailment = model.config.label2id["entailment"]
    rows = []
    for text in TEXTS:
        for hypothesis in HYPOTHESES:
            batch = tokenizer(text, hypothesis, truncation="longest_first", max_length=48, return_tensors="pt")
            with torch.inference_mode():
                odds = model(**batch).logits[0].double().softmax(dim=0)[entailment].logit()
            rows.append(float(odds))
    return np.array(rows).reshape(len(TEXTS), len(HYPOTHESES))


def test_log_odds_are_those_of_transformers(folder: Path, model_folders: dict[str, Path], tmp_path: Path) -> None:
    name = str(model_folders["clip"])
    prepare(name, tmp_path / "artifact", sentence=str(folder))
    in_onnx, in_torch = registry.load(tmp_path / "artifact").sentence, torch_encoder.load(name, sentence=str(folder)).sentence
    expected = expect_log_odds(folder)

    for sentence in (in_onnx, in_torch):
        assert isinstance(sentence, CrossEncoder)
        odds = sentence.log_odds(TEXTS, HYPOTHESES)
        np.testing.assert_allclose(odds, expected, atol=1e-3)
        alone = [sentence.log_odds([text], [hypothesis]).item() for text in TEXTS for hypothesis in HYPOTHESES]
        np.testing.assert_allclose(odds, np.reshape(alone, odds.shape), atol=1e-4)
        assert sentence.log_odds([], HYPOTHESES).shape == (0, len(HYPOTHESES))
        assert sentence.log_odds(TEXTS, []).shape == (len(TEXTS), 0)
    assert expected.std() > 0.05, "the model has to distinguish the pairs"


def test_its_facts_are_in_the_artifact(folder: Path, model_folders: dict[str, Path], tmp_path: Path) -> None:
    artifact_info, _ = prepare(str(model_folders["image-tower"]), tmp_path / "artifact", sentence=str(folder))
    model = registry.load(tmp_path / "artifact")

    assert not artifact_info.one_text_model
    assert model.sentence.info.reads_pairs
    assert model.sentence.info.templates == ("This text is about {}.",)
    assert model.sentence.info.max_text_tokens == 48
    assert model.background.texts.shape == (0, 1)
    assert model.encoder.encode_text(["a cat"]).shape == (1, model.encoder.info.dim)
    assert artifact.read_info(tmp_path / "artifact", check_hashes=True) == artifact_info


def test_tokens_of_a_pair_are_counted_before_the_cut(folder: Path, model_folders: dict[str, Path]) -> None:
    sentence = torch_encoder.load(str(model_folders["clip"]), sentence=str(folder)).sentence
    tokenizer = AutoTokenizer.from_pretrained(folder)
    longest = max(HYPOTHESES, key=lambda text: len(tokenizer(text).input_ids))

    assert isinstance(sentence, CrossEncoder)
    assert sentence.count_pair_tokens(TEXTS, HYPOTHESES) == [len(tokenizer(text, longest).input_ids) for text in TEXTS]


def test_a_graph_that_answers_otherwise_is_refused(
    folder: Path, model_folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = torch_encoder.to_text_model

    def shifted(opened: object) -> CrossEncoder:
        encoder = honest(opened)  # type: ignore[arg-type]
        assert isinstance(encoder, CrossEncoder)
        return CrossEncoder(encoder.info, encoder.tokens, lambda *arrays: encoder.run(*arrays) + np.float32(0.1))

    monkeypatch.setattr(torch_encoder, "to_text_model", shifted)
    with pytest.raises(ModelUnavailable, match="cross can't be exported: its log-odds differ by"):
        prepare(str(model_folders["clip"]), tmp_path / "artifact", sentence=str(folder))
    assert export.MAX_DIFFERENCE < 0.1


@pytest.mark.parametrize("classes", [("LABEL_0", "LABEL_1"), ("positive", "negative", "neutral")])
def test_a_classifier_of_other_classes_is_refused(
    classes: tuple[str, ...], model_folders: dict[str, Path], tmp_path: Path
) -> None:
    made = tmp_path / "sentiment"
    made.mkdir()
    small_models.cross_encoder(made, classes)

    with pytest.raises(ModelUnavailable, match="none of its classes is entailment"):
        prepare(str(model_folders["clip"]), tmp_path / "artifact", sentence=str(made))
