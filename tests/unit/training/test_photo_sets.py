"""Photos are read from shards of one or of several sets, and cut as the model sees them and with augmentation."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from photo_sets import augment, cut_views, read_photos
from pigeonhole.inference.encoders.image_spec import ImageSpec
from pigeonhole.inference.encoders.preprocess import fit

SPEC = ImageSpec(side=32, resize="shortest_edge", edge=36, resample="bicubic", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def photo(width: int = 60, height: int = 40) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def write(path: Path, **columns: list[object]) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_a_table_of_sets_says_what_a_photo_belongs_to(tmp_path: Path) -> None:
    path = write(
        tmp_path / "photos-0.parquet",
        image=[photo()],
        label=["goldfish, Carassius auratus"],
        caption=["a photo of a goldfish"],
        set=["pets"],
        split=["dev"],
    )

    (read,) = read_photos([path])

    assert (read.set, read.split, read.caption, read.name) == ("pets", "dev", "a photo of a goldfish", "goldfish")


def test_shards_without_sets_are_one_set_of_the_training_split(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"train-tiny-{index}.parquet", image=[photo()], label=["cat"]) for index in range(2)]

    assert [(read.set, read.split, read.caption) for read in read_photos(paths)] == [("train-tiny", "train", "")] * 2


def test_the_first_view_is_what_the_model_sees(tmp_path: Path) -> None:
    (read,) = read_photos([write(tmp_path / "photos.parquet", image=[photo()], label=["cat"])])

    first, *others = cut_views(read, SPEC, 3, random.Random(0))

    np.testing.assert_array_equal(first, fit(read.open(), SPEC))
    assert len(others) == 2
    assert not np.array_equal(first, others[0])


@pytest.mark.parametrize("size", [(300, 200), (9, 9), (1, 40)])
def test_augmented_cuts_have_the_size_of_the_input(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (200, 100, 50))
    rng = random.Random(1)

    for _ in range(40):
        cut = augment(image, SPEC, rng)
        assert cut.shape == (32, 32, 3)
        assert cut.dtype == np.uint8
