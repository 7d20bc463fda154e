"""The towers of every kind of model depend on their input."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from pigeonhole.inference.encoders.registry import LoadedModel
from support import small_models

pytestmark = pytest.mark.torch

KINDS = ("clip", "clip-legacy", "siglip", "siglip2", "dual-encoder", "image-tower")
TEXTS = list(small_models.texts())


@pytest.mark.parametrize("kind", KINDS)
def test_random_models_distinguish_inputs(
    kind: str, in_torch: dict[str, LoadedModel], crops: dict[str, npt.NDArray[np.uint8]]
) -> None:
    """The comparisons of engines would hold for a model that ignores its input."""
    texts, images = in_torch[kind].encoder.encode_text(TEXTS), in_torch[kind].encoder.encode_image(crops[kind])

    for rows in (texts, images):
        assert np.median((rows @ rows.T)[~np.eye(len(rows), dtype=bool)]) < 0.95
