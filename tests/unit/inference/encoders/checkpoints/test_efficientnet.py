"""The backbone computes what EfficientNet-lite0 does with the weights of its package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pigeonhole.inference.encoders import packages, preprocess
from pigeonhole.inference.encoders.artifact import ModelUnavailable
from pigeonhole.inference.encoders.checkpoints import efficientnet
from pigeonhole.inference.encoders.checkpoints.efficientnet import LITE0, SameConv2d
from pigeonhole.inference.encoders.image_spec import ImageSpec

pytestmark = pytest.mark.torch

published_weights = packages.backbone_weights  # The fixtures of the folder replace it.
SPEC = ImageSpec(side=224, resize="shortest_edge", edge=256, resample="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3)
# The index of the best class in ImageNet's usual order (ILSVRC 2012, by synset), and its logit in the original
# implementation, efficientnet-lite-pytorch 0.1.0.
BEST = {"chelsea": (282, 9.248), "motorcycle_left": (665, 7.798), "rocket": (657, 7.666), "coffee": (967, 11.4)}


def test_the_published_weights_answer_as_in_the_original_implementation(
    photos: dict[str, Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(efficientnet, "LITE0", LITE0)
    backbone = efficientnet.load(published_weights())
    crops = np.stack([np.asarray(preprocess.fit(photos[name], SPEC)) for name in BEST])

    with torch.inference_mode():
        logits = backbone.logits(backbone.features((torch.from_numpy(crops).permute(0, 3, 1, 2).float() - 127) / 128))

    best = logits.max(dim=1)
    assert best.indices.tolist() == [index for index, _ in BEST.values()]
    assert best.values.tolist() == pytest.approx([logit for _, logit in BEST.values()], abs=0.05)


@pytest.mark.parametrize(
    ("length", "kernel", "stride", "first_taps"),
    [(8, 3, 2, [1, 3, 5, 7]), (8, 5, 2, [0, 2, 4, 6]), (7, 3, 2, [0, 2, 4, 6]), (4, 5, 1, [0, 0, 1, 2])],
)
def test_an_odd_pixel_of_padding_goes_to_the_right_and_to_the_bottom(
    length: int, kernel: int, stride: int, first_taps: list[int]
) -> None:
    """TensorFlow pads so, and the weights were trained in TensorFlow."""
    convolution = SameConv2d(1, 1, kernel, stride)
    torch.nn.init.zeros_(convolution.weight)
    convolution.weight.data[0, 0, 0, 0] = 1
    # The value of a pixel is its row or its column, from 1. So an output says where its first tap lies.
    rows = torch.arange(1.0, length + 1).repeat(length, 1).T

    for pixels, axis in ((rows, 0), (rows.T, 1)):
        taps = convolution(pixels[None, None])[0, 0].amax(dim=1 - axis)
        assert taps.tolist() == first_taps


def test_other_weights_are_refused(small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficientnet, "LITE0", LITE0)
    (tmp_path / "weights.pth").write_bytes(b"no weights")

    for path in (small_backbone, tmp_path / "weights.pth", tmp_path / "missing.pth"):
        with pytest.raises(ModelUnavailable, match="can't be read as EfficientNet-lite0"):
            efficientnet.load(path)
