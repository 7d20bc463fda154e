"""Maximum likelihood for the weights of a calibration: Newton's method on two convex losses, in numpy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Slopes = Callable[[Floats], tuple[Floats, Floats]]  # weights -> (gradient, curvature) of the mean log-likelihood

RIDGE = 1e-4  # of weights of standardised features: keeps them finite where a feature tells classes apart completely
STEPS, CLOSE = 50, 1e-8


def conditional_logit(features: Floats, present: npt.NDArray[np.bool_], chosen: npt.NDArray[np.int64]) -> Floats:
    """Fit w so that softmax(features @ w) over each episode's labels is likeliest (McFadden 1974, conditional logit).

    `features`: (episodes, labels, p); `present`: bool (episodes, labels), False where an episode has fewer labels; `chosen`:
    (episodes,), the right label. Returns (p,).
    """
    spread = _spread(features[present])
    scaled = features / spread
    right = scaled[np.arange(len(chosen)), chosen]

    def slopes(weights: Floats) -> tuple[Floats, Floats]:
        logits = np.where(present, scaled @ weights, -np.inf)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = odds / odds.sum(axis=1, keepdims=True)
        mean = np.einsum("el,elp->ep", probabilities, scaled)
        second = np.einsum("el,elp,elq->pq", probabilities, scaled, scaled, optimize=True)
        return (right - mean).mean(axis=0), (second - mean.T @ mean) / len(chosen)

    return _newton(slopes, features.shape[-1]) / spread


def balanced_logistic(features: Floats, truth: npt.NDArray[np.bool_]) -> Floats:
    """Fit w so that sigmoid(features @ w) tells true rows, each side with half of the weight (Platt 1999, at even odds).

    `features`: (n, p); `truth`: bool (n,), with rows of both kinds. Returns (p,).
    """
    spread = _spread(features)
    scaled = features / spread
    share = np.where(truth, 0.5 / truth.sum(), 0.5 / (~truth).sum())

    def slopes(weights: Floats) -> tuple[Floats, Floats]:
        probability = 0.5 * (1 + np.tanh(0.5 * (scaled @ weights)))
        curvature = (scaled * (share * probability * (1 - probability))[:, None]).T @ scaled
        return scaled.T @ (share * (truth - probability)), curvature

    return _newton(slopes, features.shape[-1]) / spread


def _spread(rows: Floats) -> Floats:
    """Each feature's size, which Newton's steps are taken in; 1 for one that is always zero."""
    size = np.sqrt((rows**2).mean(axis=0))
    return np.where(size > 0, size, 1.0)


def _newton(slopes: Slopes, count: int) -> Floats:
    weights = np.zeros(count)
    for _ in range(STEPS):
        gradient, curvature = slopes(weights)
        step = np.linalg.solve(curvature + RIDGE * np.eye(count), gradient - RIDGE * weights)
        weights = weights + step / max(1.0, np.abs(step).max() / 5)
        if np.abs(step).max() < CLOSE:
            break
    return weights
