"""A large JPEG is decoded at a smaller size if the model's input hardly changes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from pigeonhole.inference.images.decode import open_image
from pigeonhole.inference.images.limits import ImageLimits
from support.pictures import (
    PHOTOS,
    TEXTURES,
    difference,
    four_corners,
    photo,
    save,
)

SIDES = (16, 24, 32, 48, 64, 96, 128, 160, 224)
MEASURED_WORST = 0.75  # mean grey levels, over all cases below; the whole preprocessing may differ by 1


def opened(data: bytes, side: int = 10_000) -> Image.Image:
    return open_image(data, ImageLimits(), side=side)


def model_input(image: Image.Image, side: int, *, crop: bool) -> npt.NDArray[np.float64]:
    """Resize the centre square, or the whole image, to side x side, bicubic, as models do."""
    width, height = image.size
    shorter = min(width, height)
    box = ((width - shorter) / 2, (height - shorter) / 2, (width + shorter) / 2, (height + shorter) / 2) if crop else None
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC, box=box), float)


@pytest.mark.parametrize("name", [*PHOTOS, *TEXTURES])
def test_decoding_smaller_changes_the_models_input_by_less_than_a_grey_level(name: str) -> None:
    whole = photo(name)
    changes = []
    for trim, options in enumerate([{"quality": 95, "subsampling": 0}, {"quality": 75}, {"quality": 85}, {"quality": 85}]):
        file = save(whole.crop((0, 0, whole.width - 3 * trim, whole.height - trim)), "JPEG", **options)
        full = opened(file)
        for side in SIDES:
            image = opened(file, side)
            if image.width < full.width:
                for crop in (True, False):
                    change = np.abs(model_input(image, side, crop=crop) - model_input(full, side, crop=crop)).mean()
                    changes.append((round(float(change), 2), name, trim, side, crop, image.size))

    assert len(changes) >= 8
    assert max(changes) <= (MEASURED_WORST + 0.05,), max(changes)


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((4_032, 3_024), 224, (2_016, 1_512)),
        ((4_000, 3_000), 64, (500, 375)),
        ((4_001, 2_999), 64, (499, 374)),
        ((1_600, 1_200), 64, (400, 300)),
        ((1_791, 1_791), 224, (1_791, 1_791)),
        ((1_792, 1_792), 224, (896, 896)),
    ],
)
def test_a_large_jpeg_is_decoded_at_the_smallest_sufficient_size(
    size: tuple[int, int], side: int, expected: tuple[int, int]
) -> None:
    assert opened(save(Image.new("RGB", size), "JPEG"), side).size == expected


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_to_a_smaller_decode(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = save(four_corners(1_600, 1_201), "JPEG", quality=95, exif=exif)

    assert opened(file, side=32).size == ((200, 150) if orientation < 5 else (150, 200))
    assert difference(opened(file, side=32), opened(file).resize(opened(file, side=32).size)) < 2


def test_a_grey_and_a_cmyk_jpeg_are_also_decoded_smaller() -> None:
    for mode in ("L", "CMYK"):
        file = save(photo("retina.jpg").convert(mode), "JPEG")

        assert opened(file, side=64).size == (352, 352)
        assert difference(opened(file, side=64), opened(file).resize((352, 352))) < 3


def test_only_jpeg_is_decoded_smaller() -> None:
    assert opened(save(Image.new("RGB", (800, 800)), "PNG"), 16).size == (800, 800)
