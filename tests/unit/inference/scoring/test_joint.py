"""In joint embeddings, cosines and hubness are the weighted means of those in both encoders."""

from __future__ import annotations

import numpy as np

from pigeonhole.inference.scoring.calibration import Floats
from pigeonhole.inference.scoring.joint import compute_joint_evidence, join_samples
from pigeonhole.inference.scoring.log_odds import compute_evidence

DIM, SCALE = 6, 20.0
WEIGHTS = np.array([0.0, 0.3, 1.0], dtype=np.float32)


def unit_rows(count: int, dim: int, seed: int) -> Floats:
    rows = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


FIRST = {
    name: unit_rows(count, DIM, seed) for seed, (name, count) in enumerate({"samples": 3, "labels": 4, "texts": 100}.items())
}
SECOND = {name: unit_rows(len(rows), 9, seed + 10) for seed, (name, rows) in enumerate(FIRST.items())}
JOINT = {name: np.concatenate([FIRST[name], SECOND[name]], axis=1) for name in ("labels", "texts")}
SAMPLES = join_samples(FIRST["samples"], SECOND["samples"], WEIGHTS)


def test_cosines_and_hubness_are_weighted_means() -> None:
    evidence = compute_joint_evidence(SAMPLES, JOINT["labels"], JOINT["texts"], DIM, SCALE)

    parts = [
        compute_evidence(space["samples"], space["labels"], space["texts"], SCALE, texts=space["texts"])
        for space in (FIRST, SECOND)
    ]
    weights = WEIGHTS[:, None]
    np.testing.assert_allclose(evidence.cosines, (1 - weights) * parts[0].cosines + weights * parts[1].cosines, atol=1e-6)
    np.testing.assert_allclose(evidence.hubness, (1 - weights) * parts[0].hubness + weights * parts[1].hubness, atol=1e-6)


def test_a_sample_of_weight_0_is_compared_as_without_a_second_encoder() -> None:
    joint = compute_joint_evidence(SAMPLES, JOINT["labels"], JOINT["texts"], DIM, SCALE)

    texts = FIRST["texts"]
    single = compute_evidence(FIRST["samples"][:1], FIRST["labels"], texts, SCALE, texts=texts)
    np.testing.assert_allclose(joint.cosines[:1], single.cosines, atol=1e-6)
    np.testing.assert_allclose(joint.background[:1], single.background, atol=1e-6)
    np.testing.assert_allclose(joint.hubness[:1], single.hubness[None], atol=1e-6)


def test_the_background_of_a_sample_does_not_depend_on_the_other_samples() -> None:
    together = compute_joint_evidence(SAMPLES, JOINT["labels"], JOINT["texts"], DIM, SCALE)

    for row in range(len(SAMPLES)):
        single = compute_joint_evidence(SAMPLES[[row]], JOINT["labels"], JOINT["texts"], DIM, SCALE)
        np.testing.assert_allclose(together.background[[row]], single.background, atol=1e-6)
