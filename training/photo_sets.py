"""Read the labelled photos of many sets, and cut them as the model sees them or with augmentation.

Photos reveal their set: by size, sharpness, light and pose. A head that learns this look instead of the labels carries over to
no other set. So the augmented cuts differ in all of these, and photos are compared only with the labels of their own set
(train_tower.py).
"""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from PIL import Image, ImageEnhance, ImageFilter

from pigeonhole.inference.encoders.image_spec import ImageSpec
from pigeonhole.inference.encoders.preprocess import fit

Pixels = npt.NDArray[np.uint8]

TURNED, MAX_ANGLE, KEPT_WHEN_TURNED = 0.25, 25.0, 0.8  # the share of turned photos, degrees, the part that is kept
MIN_AREA, STRETCH = 0.45, 1.25  # of a cut: the smallest part of the photo, the largest ratio of its sides
MIRRORED = 0.5
REDUCED, REDUCED_TO = 0.35, (24, 80)  # the share of photos that lose detail, and the pixels of their shorter side then
BLURRED, BLUR_SHARE = 0.1, (1 / 224, 1 / 56)  # the share of blurred photos, and the radius as a part of the shorter side
RELIT, BRIGHTNESS = 0.3, (0.35, 1.4)
GREY = 0.1


@dataclass(frozen=True)
class Photo:
    """A labelled photo.

    Attributes:
        data: The encoded image.
        set: The name of its set.
        label: Its label. Synonyms follow after commas, the common name first.
        caption: A sentence about the photo, empty if there is none.
        split: "train", "dev" or "hard".
    """

    data: bytes
    set: str
    label: str
    caption: str
    split: str

    @property
    def name(self) -> str:
        """The common name of the label."""
        return self.label.split(",")[0].strip()

    def open(self) -> Image.Image:
        """Decode the photo."""
        return Image.open(io.BytesIO(self.data)).convert("RGB")


def read_photos(paths: list[Path]) -> Iterator[Photo]:
    """Read Parquet files with `image` and `label`. A file without `set` and `split` is one set of the train split."""
    for path in paths:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=512):
            for row in batch.to_pylist():
                # The shards of a set end with a number.
                name = row.get("set") or path.stem.rstrip("0123456789").rstrip("-")
                yield Photo(row["image"], name, row["label"], row.get("caption") or "", row.get("split") or "train")


def augment(image: Image.Image, spec: ImageSpec, rng: random.Random) -> Pixels:
    """Cut a part of a photo at random: turned, stretched, mirrored, reduced, blurred, darker or grey, (side, side, 3) uint8."""
    if rng.random() < TURNED:
        image = _centre(image.rotate(rng.uniform(-MAX_ANGLE, MAX_ANGLE), Image.Resampling.BICUBIC), KEPT_WHEN_TURNED)
    image = _cut(image, rng)
    if rng.random() < MIRRORED:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    draw, shorter = rng.random(), min(image.size)
    if draw < REDUCED:
        side = rng.uniform(*REDUCED_TO)
        if side < shorter:
            image = image.resize(_scaled(image.size, side / shorter), Image.Resampling.BICUBIC)
    elif draw < REDUCED + BLURRED:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(*BLUR_SHARE) * shorter))
    if rng.random() < RELIT:
        image = ImageEnhance.Brightness(image).enhance(rng.uniform(*BRIGHTNESS))
    if rng.random() < GREY:
        image = image.convert("L").convert("RGB")
    return np.asarray(image.resize((spec.side, spec.side), Image.Resampling.BICUBIC), dtype=np.uint8)


def cut_views(photo: Photo, spec: ImageSpec, count: int, rng: random.Random) -> list[Pixels]:
    """Cut `count` views of a photo: the one that the model sees, then augmented ones."""
    image = photo.open()
    return [np.asarray(fit(image, spec)), *(augment(image, spec, rng) for _ in range(count - 1))]


def _cut(image: Image.Image, rng: random.Random) -> Image.Image:
    side = rng.uniform(MIN_AREA, 1.0) ** 0.5 * min(image.size)
    stretch = rng.uniform(1 / STRETCH, STRETCH) ** 0.5
    width, height = min(image.width, side * stretch), min(image.height, side / stretch)
    left, top = rng.uniform(0, image.width - width), rng.uniform(0, image.height - height)
    return image.resize(_whole(width, height), Image.Resampling.BICUBIC, box=(left, top, left + width, top + height))


def _centre(image: Image.Image, part: float) -> Image.Image:
    margin_x, margin_y = (int(side * (1 - part) / 2) for side in image.size)
    return image.crop((margin_x, margin_y, image.width - margin_x, image.height - margin_y))


def _scaled(size: tuple[int, int], factor: float) -> tuple[int, int]:
    return _whole(size[0] * factor, size[1] * factor)


def _whole(width: float, height: float) -> tuple[int, int]:
    return max(8, int(width)), max(8, int(height))
