"""Resize and crop differ from the image processor of each model family by at most one grey level."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from transformers import AutoImageProcessor

from pigeonhole.inference.encoders.checkpoints.image_processor import parse_image_spec
from pigeonhole.inference.encoders.preprocess import fit
from support import small_models

pytestmark = pytest.mark.torch

CLIP = {"kind": "CLIPImageProcessor", "size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}}
PROCESSORS: dict[str, dict[str, Any]] = {
    "clip": CLIP,
    "clip with a margin": {**CLIP, "size": {"shortest_edge": 256}},
    "siglip": {"kind": "SiglipImageProcessor", "size": {"height": 224, "width": 224}},
    "siglip2": {"kind": "SiglipImageProcessor", "size": {"height": 256, "width": 256}, "resample": 2},
    "vit": {"kind": "ViTImageProcessor", "size": {"height": 224, "width": 224}, "resample": 2},
    "small": {"kind": "CLIPImageProcessor", "size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}},
}


def create_processor(settings: dict[str, Any], folder: Path) -> Any:
    small_models.write_processor(folder, **settings)
    return AutoImageProcessor.from_pretrained(folder, backend="pil")


def reference_pixels(processor: Any, image: Image.Image) -> npt.NDArray[np.float64]:
    batch = processor(images=image, do_rescale=False, do_normalize=False, return_tensors="np")
    return np.asarray(batch["pixel_values"][0], dtype=np.float64).transpose(1, 2, 0)


@pytest.mark.parametrize("name", PROCESSORS)
def test_photos_differ_by_at_most_one_grey_level_on_average(name: str, photos: dict[str, Image.Image], tmp_path: Path) -> None:
    processor = create_processor(PROCESSORS[name], tmp_path)
    spec = parse_image_spec(processor.to_dict())

    for photo in photos.values():
        difference = np.abs(np.asarray(fit(photo, spec)) - reference_pixels(processor, photo))
        assert difference.mean() <= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 60), (60, 1), (30, 20), (20, 31), (223, 224), (225, 224), (4001, 63), (333, 777)])
@pytest.mark.parametrize("name", ["clip", "clip with a margin", "siglip", "small"])
def test_an_image_of_any_shape_is_cut_as_the_reference_does(name: str, size: tuple[int, int], tmp_path: Path) -> None:
    processor = create_processor(PROCESSORS[name], tmp_path)
    width, height = size
    slope = np.linspace(0, 255, width)[None, :, None] / 2 + np.linspace(0, 255, height)[:, None, None] / 2
    image = Image.fromarray(np.repeat(slope, 3, axis=2).astype(np.uint8))

    pixels = np.asarray(fit(image, parse_image_spec(processor.to_dict())))

    assert pixels.dtype == np.uint8
    assert np.abs(pixels - reference_pixels(processor, image)).mean() <= 1


def test_another_rescale_factor_becomes_part_of_mean_and_std(tmp_path: Path) -> None:
    processor = create_processor(PROCESSORS["siglip"], tmp_path)
    settings = {**processor.to_dict(), "rescale_factor": 1 / 127.5, "image_mean": [1.0] * 3, "image_std": [1.0] * 3}

    spec = parse_image_spec(settings)

    assert spec.mean == pytest.approx((0.5,) * 3)
    assert spec.std == pytest.approx((0.5,) * 3)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"do_resize": False}, "doesn't resize"),
        ({"size": {"height": 224, "width": 300}}, "squares"),
        ({"size": {"shortest_edge": 224}}, "squares"),
        ({"size": {"shortest_edge": 100}, "do_center_crop": True, "crop_size": {"height": 224, "width": 224}}, "squares"),
        ({"do_pad": True}, "pads"),
        ({"resample": 0}, "resamples"),
    ],
)
def test_an_unsupported_processor_is_refused(change: dict[str, Any], fault: str, tmp_path: Path) -> None:
    settings = create_processor(PROCESSORS["siglip"], tmp_path).to_dict() | change

    with pytest.raises(ValueError, match=fault):
        parse_image_spec(settings)
