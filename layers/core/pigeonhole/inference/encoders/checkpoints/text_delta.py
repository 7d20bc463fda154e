"""The text delta: what fine-tuning adds to linear layers of the sentence encoder, as products of two small matrices.

The form is that of LoRA (Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models"). For each changed layer, the
file has the tensors `LAYER.a`, (rank, in), and `LAYER.b`, (out, rank). LAYER is the name of the layer in transformers, for
example `encoder.layer.0.attention.self.query`. The sum is computed once, in float32, so a fine-tuned encoder costs nothing
more to run.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from pigeonhole.inference.encoders.artifact import ModelUnavailable


def apply(model: torch.nn.Module, path: Path) -> None:
    """Add a text delta to the weights of a model: weight += b @ a.

    Args:
        model: A model of transformers.
        path: The file of the text delta.

    Raises:
        ModelUnavailable: The file is broken, or has a layer or a shape that the model doesn't have.
    """
    try:
        parts = {name: part.float() for name, part in load_file(path).items()}
        with torch.no_grad():
            for layer in {name.rpartition(".")[0] for name in parts}:
                model.get_submodule(layer).get_parameter("weight").add_(parts[f"{layer}.b"] @ parts[f"{layer}.a"])
    except (AttributeError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelUnavailable(f"{path} doesn't fit the sentence encoder: {error}") from None
