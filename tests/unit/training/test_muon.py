"""training/muon.py: steps are orthogonal, and weights keep their norm."""

from __future__ import annotations

import pytest
import torch

from muon import Muon, orthogonal

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("shape", [(8, 40), (40, 8), (16, 16)])
def test_the_singular_values_of_a_step_are_near_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape)

    values = torch.linalg.svdvals(orthogonal(matrix))

    assert float(values.min()) > 0.5
    assert float(values.max()) < 1.3
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    assert float((left @ right * orthogonal(matrix)).sum() / min(shape)) > 0.7, "the directions stay the same"


def test_muon_reduces_the_loss_and_keeps_the_norm_of_a_weight_before_a_normalisation() -> None:
    torch.manual_seed(0)
    convolution = torch.nn.Conv2d(3, 8, 3, bias=False)
    network = torch.nn.Sequential(
        convolution, torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(288, 2)
    )
    pixels = torch.randn(64, 3, 8, 8)
    classes = (pixels[:, 0].mean(dim=(1, 2)) > 0).long()
    rest = [parameter for parameter in network.parameters() if parameter.ndim < 4]
    optimisers = [Muon([convolution.weight], lr=0.05), torch.optim.AdamW(rest, lr=1e-2)]

    losses = []
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(network(pixels), classes)
        for optimiser in optimisers:
            optimiser.zero_grad()
        loss.backward()
        for optimiser in optimisers:
            optimiser.step()
        losses.append(float(loss.detach()))

    assert losses[-1] < 0.2 * losses[0]
    assert float(convolution.weight.detach().norm()) == pytest.approx(8**0.5, rel=0.1)
