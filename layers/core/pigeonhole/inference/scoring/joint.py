"""Compare texts in two sentence encoders at once.

The joint embedding of a label, or of a generic text, is its two unit embeddings side by side. The joint embedding of a sample
is its two unit embeddings side by side, the first times 1 - w and the second times w. So the product of both is the weighted
mean of the cosines in the two encoders, and every formula of log_odds.py applies to it. The weight w belongs to the sample
alone. A sample of weight 0 is compared in the first encoder only, exactly as if there were no second one.
"""

from __future__ import annotations

import numpy as np

from pigeonhole.inference.scoring.calibration import Evidence, Floats
from pigeonhole.inference.scoring.log_odds import compute_evidence


def join_samples(first: Floats, second: Floats, weights: Floats) -> Floats:
    """Return joint embeddings of samples.

    Args:
        first: Unit embeddings of the first encoder, (n, first dim) float32.
        second: Unit embeddings of the second encoder, (n, second dim) float32. Rows of weight 0 may hold anything.
        weights: The weight of the second encoder for each sample, (n,) float32, 0..1.

    Returns:
        (n, first dim + second dim) float32.
    """
    column = weights[:, None]
    return np.concatenate([(1 - column) * first, column * second], axis=1).astype(np.float32, copy=False)


def compute_joint_evidence(samples: Floats, labels: Floats, texts: Floats, first_dim: int, scale: float) -> Evidence:
    """Compare samples with labels, and with generic texts as the background.

    Args:
        samples: Joint embeddings from `join_samples`, (n, dim) float32.
        labels: Joint embeddings, (labels, dim) float32.
        texts: Joint embeddings of generic texts, (m, dim) float32.
        first_dim: The length of an embedding of the first encoder, < dim.
        scale: The logit scale of both encoders, > 0.

    Returns:
        The evidence, with the hubness of each label for each sample, (n, labels) float32.
    """
    weights = np.linalg.norm(samples[:, first_dim:], axis=1, keepdims=True)
    parts = (slice(None, first_dim), slice(first_dim, None))
    first, second = ((labels[:, part] @ texts[:, part].T).mean(axis=1) for part in parts)
    hubness = ((1 - weights) * first + weights * second).astype(np.float32, copy=False)
    cosines, background = (np.empty((len(samples), len(labels)), dtype=np.float32) for _ in range(2))
    needs_both = weights[:, 0] > 0
    for rows, dim in ((needs_both, samples.shape[1]), (~needs_both, first_dim)):
        if rows.any():
            evidence = compute_evidence(samples[rows, :dim], labels[:, :dim], texts[:, :dim], scale)
            cosines[rows], background[rows] = evidence.cosines, evidence.background
    return Evidence(cosines, background, hubness)
