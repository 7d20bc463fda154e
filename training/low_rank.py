"""Low-rank changes of a model's linear layers (LoRA, Hu et al. 2021, arXiv 2106.09685), as models/sentence stores them.

A layer with the weights W computes (W + b a) x, where a is (rank, in) and b is (out, rank). b is zero at first, so the model
starts unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file

STEP = 0.25  # multiplies the change during the training, so that one learning rate fits every rank


class LowRankLinear(torch.nn.Module):
    """A frozen linear layer with a trainable low-rank change."""

    def __init__(self, linear: torch.nn.Linear, rank: int) -> None:
        super().__init__()
        # bfloat16 halves the time of the frozen part on a CPU that multiplies it natively.
        self.linear = linear.to(torch.bfloat16).requires_grad_(False)
        self.a = torch.nn.Parameter(torch.randn(rank, linear.in_features) / math.sqrt(linear.in_features))
        self.b = torch.nn.Parameter(torch.zeros(linear.out_features, rank))

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Compute the layer on (..., in) states."""
        change = torch.nn.functional.linear(torch.nn.functional.linear(states, self.a), self.b)
        return self.linear(states.to(self.linear.weight.dtype)) + STEP * change


def add_low_rank(model: torch.nn.Module, rank: int) -> dict[str, LowRankLinear]:
    """Replace the linear layers of a BERT's encoder layers.

    Args:
        model: The model. All its own weights are frozen.
        rank: The rank of each change.

    Returns:
        The new layers by the names of the old ones.
    """
    model.requires_grad_(False)
    layers = {}
    for name, module in list(model.named_modules()):
        if isinstance(module, torch.nn.Linear) and name.startswith("encoder.layer."):
            parent, _, child = name.rpartition(".")
            layers[name] = LowRankLinear(module, rank)
            setattr(model.get_submodule(parent), child, layers[name])
    return layers


def parameters(layers: dict[str, LowRankLinear]) -> Iterator[torch.nn.Parameter]:
    """Return what is trained."""
    for layer in layers.values():
        yield from (layer.a, layer.b)


def save_delta(layers: dict[str, LowRankLinear], path: Path, share: float = 1.0) -> None:
    """Write the changes as fp16 tensors NAME.a and NAME.b.

    Args:
        layers: The trained layers.
        path: The safetensors file.
        share: The part of the change that is kept. A part between the old and the new weights often carries over better to
            data of another kind than either (Wortsman et al. 2022, arXiv 2109.01903).
    """
    tensors = {}
    for name, layer in layers.items():
        tensors[f"{name}.a"] = layer.a.detach().half().contiguous()
        tensors[f"{name}.b"] = (share * STEP * layer.b.detach()).half().contiguous()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
