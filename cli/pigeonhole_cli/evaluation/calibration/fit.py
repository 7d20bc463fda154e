"""Maximum likelihood for calibration coefficients: Newton's method on two convex losses, in numpy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Derivatives = Callable[[Floats], tuple[Floats, Floats]]  # coefficients -> gradient and curvature of the mean log-likelihood

RIDGE = 1e-4  # penalty on coefficients of scaled features: keeps them finite if a feature separates the classes completely
MAX_STEPS, TOLERANCE = 50, 1e-8


def conditional_logit(features: Floats, present: npt.NDArray[np.bool_], chosen: npt.NDArray[np.int64]) -> Floats:
    """Fit w so that softmax(features @ w) over each episode's labels is likeliest (McFadden 1974, conditional logit).

    Args:
        features: `(episodes, labels, p)`.
        present: `(episodes, labels) bool`, False where an episode has fewer labels.
        chosen: `(episodes,)`, the index of the right label.

    Returns:
        The coefficients, `(p,)`.
    """
    scale = _scale(features[present])
    scaled = features / scale
    right = scaled[np.arange(len(chosen)), chosen]

    def derivatives(coefficients: Floats) -> tuple[Floats, Floats]:
        logits = np.where(present, scaled @ coefficients, -np.inf)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = odds / odds.sum(axis=1, keepdims=True)
        mean = np.einsum("el,elp->ep", probabilities, scaled)
        second = np.einsum("el,elp,elq->pq", probabilities, scaled, scaled, optimize=True)
        return (right - mean).mean(axis=0), (second - mean.T @ mean) / len(chosen)

    return _newton(derivatives, features.shape[-1]) / scale


def balanced_logistic(features: Floats, truth: npt.NDArray[np.bool_]) -> Floats:
    """Fit w so that sigmoid(features @ w) separates true from false rows, both with half of the total weight.

    The balance puts a probability of 0.5 at even odds (Platt 1999).

    Args:
        features: `(n, p)`.
        truth: `(n,) bool`, with both true and false rows.

    Returns:
        The coefficients, `(p,)`.
    """
    scale = _scale(features)
    scaled = features / scale
    share = np.where(truth, 0.5 / truth.sum(), 0.5 / (~truth).sum())

    def derivatives(coefficients: Floats) -> tuple[Floats, Floats]:
        probability = 0.5 * (1 + np.tanh(0.5 * (scaled @ coefficients)))
        curvature = (scaled * (share * probability * (1 - probability))[:, None]).T @ scaled
        return scaled.T @ (share * (truth - probability)), curvature

    return _newton(derivatives, features.shape[-1]) / scale


def _scale(rows: Floats) -> Floats:
    """Return each feature's root mean square, or 1 for a feature that is always zero."""
    size = np.sqrt((rows**2).mean(axis=0))
    return np.where(size > 0, size, 1.0)


def _newton(derivatives: Derivatives, count: int) -> Floats:
    coefficients = np.zeros(count)
    for _ in range(MAX_STEPS):
        gradient, curvature = derivatives(coefficients)
        step = np.linalg.solve(curvature + RIDGE * np.eye(count), gradient - RIDGE * coefficients)
        coefficients = coefficients + step / max(1.0, np.abs(step).max() / 5)
        if np.abs(step).max() < TOLERANCE:
            break
    return coefficients
