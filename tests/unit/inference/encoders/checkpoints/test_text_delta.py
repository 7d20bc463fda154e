"""A text delta changes the sentence encoder as adding its products to the weights does, or is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModel

from pigeonhole.inference.encoders import packages, registry
from pigeonhole.inference.encoders.artifact import ModelUnavailable
from pigeonhole.inference.encoders.checkpoints import checkpoint, torch_encoder
from pigeonhole.inference.encoders.prepare import prepare
from support import small_models

pytestmark = pytest.mark.torch

LAYERS = ("encoder.layer.0.attention.self.query", "encoder.layer.1.output.dense")
TEXTS = ["a cat", "two dogs on a sofa"]
WriteDelta = Callable[..., None]


@pytest.fixture
def write_delta(small_sentence: Path, sentence_parts: Path) -> WriteDelta:
    """Return a function that writes a delta for the small sentence encoder."""

    def write(layers: tuple[str, ...] = LAYERS, inputs: int | None = None) -> None:
        model = AutoModel.from_pretrained(small_sentence)
        shapes = {name: tuple(module.weight.shape) for name, module in model.named_modules() if hasattr(module, "weight")}
        torch.manual_seed(0)
        parts = {}
        for layer in layers:
            rows, columns = shapes.get(layer, (8, 8))
            parts |= {f"{layer}.a": torch.randn(3, inputs or columns).half(), f"{layer}.b": torch.randn(rows, 3).half()}
        save_file(parts, sentence_parts / "text_delta.safetensors")

    return write


def test_a_delta_changes_embeddings_as_changed_weights_do(
    write_delta: WriteDelta, small_sentence: Path, sentence_parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = torch_encoder.to_encoder(checkpoint.open_bundled_sentence()).encode_text(TEXTS)
    write_delta()
    after = torch_encoder.to_encoder(checkpoint.open_bundled_sentence()).encode_text(TEXTS)

    merged = small_models.copy_model(small_sentence, tmp_path / "merged")
    weights = small_models.load_weights(merged)
    delta = small_models.load_weights(sentence_parts, "text_delta.safetensors")
    for layer in LAYERS:
        weights[f"{layer}.weight"] += delta[f"{layer}.b"].float() @ delta[f"{layer}.a"].float()
    save_file(weights, merged / "model.safetensors", metadata={"format": "pt"})
    (sentence_parts / "text_delta.safetensors").unlink()
    monkeypatch.setattr(packages, "sentence_folder", lambda: merged)
    expected = torch_encoder.to_encoder(checkpoint.open_bundled_sentence()).encode_text(TEXTS)

    np.testing.assert_allclose(after, expected, atol=1e-6)
    assert np.sum(after * before, axis=1).max() < 0.99


@pytest.mark.parametrize(("layers", "inputs"), [(("encoder.layer.7.output.dense",), None), (LAYERS, 5)])
def test_a_delta_of_another_model_is_refused(layers: tuple[str, ...], inputs: int | None, write_delta: WriteDelta) -> None:
    write_delta(layers, inputs)

    with pytest.raises(ModelUnavailable, match="doesn't fit the sentence encoder"):
        checkpoint.open_bundled_sentence()


def test_a_broken_file_is_refused(small_sentence: Path, sentence_parts: Path) -> None:
    (sentence_parts / "text_delta.safetensors").write_bytes(b"half")

    with pytest.raises(ModelUnavailable, match="doesn't fit the sentence encoder"):
        checkpoint.open_bundled_sentence()


@pytest.mark.parametrize("kind", ["image-tower", "clip"])
def test_every_model_is_prepared_again_with_a_new_delta(
    kind: str, write_delta: WriteDelta, model_folders: dict[str, Path], tmp_path: Path
) -> None:
    name, out = str(model_folders[kind]), tmp_path / "artifact"
    prepare(name, out)
    before = registry.load(out).sentence.encode_text(TEXTS)
    write_delta()

    assert prepare(name, out)[1]
    assert np.sum(registry.load(out).sentence.encode_text(TEXTS) * before, axis=1).max() < 0.99
    assert not prepare(name, out)[1]
