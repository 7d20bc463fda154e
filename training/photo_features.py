"""Compute the backbone's features of photos once, for the image as the model sees it and for augmented cuts."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from photo_sets import Photo, Pixels, cut_views, read_photos
from pigeonhole.inference.encoders import packages
from pigeonhole.inference.encoders.checkpoints import efficientnet
from pigeonhole.inference.encoders.image_spec import ImageSpec

Rows = npt.NDArray[np.float32]

# What `models/tiny/preprocessor_config.json` says.
SPEC = ImageSpec(side=224, resize="shortest_edge", edge=256, resample="bicubic", mean=(127 / 255,) * 3, std=(128 / 255,) * 3)
BATCH = 32


@dataclass(frozen=True)
class Example:
    """What is known of a row of features.

    Attributes:
        set: The name of the set.
        label: The label, with its synonyms.
        caption: A sentence about the photo, empty if there is none.
    """

    set: str
    label: str
    caption: str

    @property
    def names(self) -> list[str]:
        """The names of the label, the common one first."""
        return [name.strip() for name in self.label.split(",")]


def compute_features(paths: list[Path], views: int, *, split: str = "train", every: int = 1) -> tuple[Rows, list[Example]]:
    """Compute the features of several views of each photo.

    Args:
        paths: Parquet files of photos.
        views: The number of views, the first of which is the one that the model sees.
        split: The split of the photos.
        every: Use only every so many-th photo.

    Returns:
        The features, float32 (photos * views, 1280), and what each row shows.
    """
    backbone = efficientnet.load(packages.backbone_weights()).eval()
    rng = random.Random(0)
    photos = (photo for photo in islice(read_photos(paths), 0, None, every) if photo.split == split)
    features, examples = [], []
    for pixels, batch in _batches(photos, views, rng):
        values = (torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() - 127) / 128
        with torch.inference_mode():
            features.append(backbone.features(values.contiguous(memory_format=torch.channels_last)).numpy())
        examples += batch
    return np.concatenate(features), examples


def _batches(photos: Iterator[Photo], views: int, rng: random.Random) -> Iterator[tuple[list[Pixels], list[Example]]]:
    while group := list(islice(photos, max(1, BATCH // views))):
        pixels = [view for photo in group for view in cut_views(photo, SPEC, views, rng)]
        examples = [Example(photo.set, photo.label, photo.caption) for photo in group for _ in range(views)]
        yield pixels, examples
