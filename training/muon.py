"""The optimiser of the convolutions: momentum with orthogonalised steps (Muon, Jordan et al. 2024).

torch.optim.Muon accepts only matrices and computes in bfloat16, which a CPU without bfloat16 emulates slowly.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

# Newton-Schulz coefficients of Jordan et al. 2024. The polynomial is steep at zero, so five steps bring all singular values
# near 1.
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
STEPS = 5


@torch.no_grad()
def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """Approximate the nearest matrix with orthonormal rows, or orthonormal columns if it has fewer columns: (rows, columns).

    Each step multiplies the matrix by a polynomial of the Gram matrix. The polynomials commute. So this function multiplies the
    small polynomials with each other, and the matrix only once.
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    gram = x @ x.T
    product = identity = torch.eye(len(x), dtype=x.dtype, device=x.device)
    for _ in range(STEPS):
        step = a * identity + b * gram + c * gram @ gram
        product, gram = step @ product, step @ gram @ step
    x = product @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Optimises weights (out, ...) before a batch normalisation. Their norm has no effect, so it is kept at sqrt(out).

    A step turns a weight by about `lr` radians, so `lr` means the same for every layer.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        """Take the weights, the learning rate in radians, and the decay of the average of gradients."""
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:
        """Update all weights by their gradients."""
        for group in self.param_groups:
            for weight in group["params"]:
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                average = state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
                ahead = weight.grad.lerp(average, group["momentum"])  # Nesterov momentum
                rows = len(weight)
                step = orthogonal(ahead.reshape(rows, -1)).view_as(weight)
                step = step * (rows / min(rows, weight[0].numel())) ** 0.5
                weight.mul_(rows**0.5 / weight.norm()).sub_(step, alpha=group["lr"])
