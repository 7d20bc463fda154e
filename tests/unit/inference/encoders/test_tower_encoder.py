"""A sentence encoder has no image tower."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from pigeonhole.inference.encoders import registry

pytestmark = pytest.mark.torch


def test_a_sentence_encoder_refuses_images(artifacts: dict[str, Path]) -> None:
    sentence = registry.load(artifacts["clip"]).sentence

    assert sentence.info.image_side == 0
    with pytest.raises(TypeError, match="texts only"):
        sentence.fit(Image.new("RGB", (4, 4)))
