"""Low-rank changes start at nothing, and the saved ones give the trained model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertModel

from low_rank import add_low_rank, parameters, save_delta

pytestmark = pytest.mark.torch

INPUT = torch.tensor([[2, 7, 11, 3]])


@pytest.fixture
def model() -> BertModel:
    torch.manual_seed(0)
    config = BertConfig(vocab_size=20, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2)
    return BertModel(config).eval()


def states(model: BertModel) -> torch.Tensor:
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        return model(INPUT).last_hidden_state.float()


def test_the_model_starts_unchanged(model: BertModel) -> None:
    before = states(model)

    add_low_rank(model, rank=4)

    torch.testing.assert_close(states(model), before, atol=0.05, rtol=0)  # bfloat16


def test_only_the_changes_are_trained(model: BertModel) -> None:
    layers = add_low_rank(model, rank=4)

    trained = {id(parameter) for parameter in model.parameters() if parameter.requires_grad}

    assert trained == {id(parameter) for parameter in parameters(layers)}
    assert len(trained) == 2 * 2 * 6  # a and b of six linear layers in each of two encoder layers


def test_a_saved_change_is_the_difference_of_the_weights(model: BertModel, tmp_path: Path) -> None:
    layers = add_low_rank(model, rank=4)
    name, layer = next(iter(layers.items()))
    with torch.no_grad():
        layer.b.normal_()
    inputs = torch.randn(5, 16)
    without = layer.linear(inputs.to(torch.bfloat16)).float()

    save_delta(layers, tmp_path / "delta.safetensors", share=0.5)

    saved = load_file(tmp_path / "delta.safetensors")
    change = inputs @ (saved[f"{name}.b"].float() @ saved[f"{name}.a"].float()).T
    torch.testing.assert_close(change, 0.5 * (layer(inputs) - without), atol=0.02, rtol=0.02)
    assert {tensor.dtype for tensor in saved.values()} == {torch.float16}
