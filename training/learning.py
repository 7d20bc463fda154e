"""What the trainings share: the layers on top of frozen features, the loss of a question, and the learning rate."""

from __future__ import annotations

import math

import torch
from torch.nn.functional import cross_entropy, dropout, gelu


class TwoLayers(torch.nn.Module):
    """Two linear layers with GELU between them, (n, inputs) -> (n, outputs). The result is zero at first."""

    def __init__(self, inputs: int, hidden: int, outputs: int, *, dropout: float) -> None:
        super().__init__()
        self.into = torch.nn.Linear(inputs, hidden)
        self.out = torch.nn.Linear(hidden, outputs)
        self.dropout = dropout
        torch.nn.init.zeros_(self.out.weight)
        torch.nn.init.zeros_(self.out.bias)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Compute the layers."""
        hidden = gelu(self.into(dropout(rows, self.dropout, self.training)))
        result: torch.Tensor = self.out(dropout(hidden, self.dropout, self.training))
        return result

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the weights by the names that the model files have: in.weight, in.bias, out.weight and out.bias."""
        return {name.replace("into", "in"): value for name, value in self.state_dict().items()}


def question_loss(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Compute the cross-entropy of one question, so that many labels weigh no more than four.

    Args:
        logits: The samples against the labels of their set, (n, labels).
        truth: The index of the right label of each sample, (n,).
    """
    # The loss of a guess is the logarithm of the number of labels.
    return cross_entropy(logits, truth) / max(1.0, math.log(logits.shape[1]) / math.log(4))


def set_rate(group: dict[str, object], highest: float, steps: int, warm_up: int, elapsed: float) -> None:
    """Set the learning rate of an optimiser's group: it rises over the first steps, and falls linearly to 0.

    Args:
        group: The group.
        highest: The highest learning rate.
        steps: The number of steps so far.
        warm_up: The number of steps over which the rate rises.
        elapsed: The part of the run that is over, 0..1.
    """
    group["lr"] = highest * min(1.0, steps / warm_up) * (1 - elapsed)
