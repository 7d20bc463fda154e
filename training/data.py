"""Read the Parquet shards into arrays, split off the held-out photos, and cut augmented batches.

Every shard has `image` (encoded bytes), `label` (English words, synonyms separated by commas, the common name first) and
`source`. Images are decoded once into a uint8 cache, because decoding WebP takes longer than a training step.

*Photos reveal their source.* Half of train-photos are 30 pixels wide, all of its cats, dogs, flowers and fruit among them.
Those of CIFAR-10 are 32 pixels wide, all others 64 or more. And every pagoda is tilted between black corners. A tower learns
these differences first: what is sharp is no flower, what is upright no pagoda. So this module blurs half of the sharp photos,
gives half of the blurred ones fine detail from another photo, and turns tilted photos.
"""

from __future__ import annotations

import io
import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import imagehash
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import torch
from PIL import Image

FIELDS = "pixels-labels-detail-askew"  # the arrays of a cached shard, and part of its file name
HELD_OUT_SEED = 20240607
HELD_OUT_SHARE = 0.1
NEAR_BITS = 8  # of 64: near-duplicates' perceptual hashes differ in at most so many bits
BLURRED, GRAFTED = 0.5, 0.5  # the part of the sharp photos that is blurred; the part of the blurred ones that gets detail
MIN_DETAIL = 24  # side in pixels to which a photo is reduced at most when it is blurred
SHARP = 64  # side in pixels from which a photo counts as sharp
STRETCH = 1.25  # largest ratio of a cut's width to its height, or the reverse
# The part of the photos larger than SHARP that is turned, and the largest angles in degrees. Tilted photos are always turned.
TURNED, MAX_ANGLE, MAX_ANGLE_ASKEW = 0.5, 20, 60

# File stem -> stored side in pixels. Each is near its shards' native size, so that the cache neither invents nor loses detail.
SHARDS = {
    "train-tiny-imagenet-0": 64,
    "train-tiny-imagenet-1": 64,
    "train-tiny-imagenet-2": 64,
    "train-tiny-imagenet-3": 64,
    "train-photos": 112,
    "train-cifar10": 32,
    "val-tiny-imagenet": 64,
}


@dataclass(frozen=True)
class PhotoSet:
    """Photos of one stored size.

    Attributes:
        pixels: uint8 (n, side, side, 3).
        classes: Indices into `names`, int64 (n,).
        detail: The shorter side of the original photo in pixels, int64 (n,).
        askew: Whether the corners are black, because the photo was tilted. bool (n,).
        names: The names of the classes.
    """

    pixels: npt.NDArray[np.uint8]
    classes: npt.NDArray[np.int64]
    detail: npt.NDArray[np.int64]
    askew: npt.NDArray[np.bool_]
    names: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of photos."""
        return len(self.classes)

    def take(self, rows: npt.NDArray[np.int64]) -> PhotoSet:
        """Select photos by their indices."""
        return PhotoSet(self.pixels[rows], self.classes[rows], self.detail[rows], self.askew[rows], self.names)


def centre_square(image: Image.Image, side: int) -> Image.Image:
    """Scale the shorter side to `side` pixels (bicubic, antialiased) and cut the centre square."""
    width, height = image.size
    edge = min(width, height)
    left, top = (width - edge) // 2, (height - edge) // 2
    return image.resize((side, side), Image.Resampling.BICUBIC, box=(left, top, left + edge, top + edge))


def has_black_corners(image: Image.Image) -> bool:
    """Check whether at least three corners of 8 x 8 pixels are black: Caltech-101 contains photos that were rotated."""
    pixels = np.asarray(image)
    corners = (pixels[:8, :8], pixels[:8, -8:], pixels[-8:, :8], pixels[-8:, -8:])
    return sum(bool(corner.mean() < 12 and corner.std() < 8) for corner in corners) >= 3


def load(folder: Path, stems: list[str], cache: Path) -> PhotoSet:
    """Decode shards into one PhotoSet, or read them from the cache.

    Args:
        folder: The folder with the shards.
        stems: The names of the shards without suffix. All must have the same stored side.
        cache: The folder of the cache.
    """
    cache.mkdir(parents=True, exist_ok=True)
    parts = []
    for stem in stems:
        cached = cache / f"{stem}-{SHARDS[stem]}-{FIELDS}.npz"
        if not cached.exists():
            table = pq.read_table(folder / f"{stem}.parquet", columns=["image", "label", "source"])
            images = [Image.open(io.BytesIO(raw)).convert("RGB") for raw in table["image"].to_pylist()]
            may_be_askew = [source == "caltech-101" for source in table["source"].to_pylist()]
            partial = cached.with_suffix(".partial.npz")
            np.savez(
                partial,
                pixels=np.stack([np.asarray(centre_square(image, SHARDS[stem])) for image in images]),
                labels=np.array(table["label"].to_pylist()),
                detail=np.array([min(image.size) for image in images]),
                askew=np.array([may and has_black_corners(image) for may, image in zip(may_be_askew, images, strict=True)]),
            )
            partial.rename(cached)
        parts.append(np.load(cached))
    pixels, labels, detail, askew = (np.concatenate([part[name] for part in parts]) for name in FIELDS.split("-"))
    names, classes = np.unique(labels, return_inverse=True)
    return PhotoSet(pixels, classes.astype(np.int64), detail, askew, tuple(str(name) for name in names))


def perceptual_hashes(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Hash photos so that copies have most bits in common: copies may be scaled, slightly cut or recoloured.

    Args:
        pixels: uint8 (n, side, side, 3).

    Returns:
        bool (n, 64).
    """
    return np.stack([imagehash.phash(Image.fromarray(photo)).hash.ravel() for photo in pixels])


def near_duplicates(hashes: npt.NDArray[np.bool_], others: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Find the pairs that differ in at most NEAR_BITS bits: bool (n, 64) and (m, 64) hashes -> bool (n, m)."""
    signs, other_signs = (bits.astype(np.float32) * 2 - 1 for bits in (hashes, others))
    return np.asarray(signs @ other_signs.T >= 64 - 2 * NEAR_BITS)


def held_out_rows(photos: PhotoSet) -> npt.NDArray[np.bool_]:
    """Draw a tenth of each class by a fixed seed, without photos that have a near-duplicate in the rest: bool (n,)."""
    rng = np.random.default_rng(HELD_OUT_SEED)
    held_out = np.zeros(len(photos), dtype=bool)
    for index in range(len(photos.names)):
        rows = np.flatnonzero(photos.classes == index)
        held_out[rng.choice(rows, size=max(1, round(len(rows) * HELD_OUT_SHARE)), replace=False)] = True
    hashes = perceptual_hashes(photos.pixels)
    held_out[held_out] = ~near_duplicates(hashes[held_out], hashes[~held_out]).any(axis=1)
    return held_out


def split_held_out(photos: PhotoSet) -> tuple[PhotoSet, PhotoSet]:
    """Split off a tenth of each class: (training, held out)."""
    held_out = held_out_rows(photos)
    return photos.take(np.flatnonzero(~held_out)), photos.take(np.flatnonzero(held_out))


def remove_classes(photos: PhotoSet, names: Collection[str]) -> PhotoSet:
    """Remove the classes with these names and their photos. The remaining classes get new numbers."""
    kept = [index for index, name in enumerate(photos.names) if name not in names]
    rows = photos.take(np.flatnonzero(np.isin(photos.classes, kept)))
    return replace(rows, classes=np.searchsorted(kept, rows.classes), names=tuple(photos.names[index] for index in kept))


def sampling_probabilities(photos: PhotoSet, evenness: float) -> npt.NDArray[np.float64]:
    """Compute a probability per photo, so that a class of n photos is drawn in proportion to n ** (1 - evenness)."""
    counts = np.bincount(photos.classes, minlength=len(photos.names)).astype(np.float64)
    chances = counts[photos.classes] ** -evenness
    return np.asarray(chances / chances.sum())


def augment(photos: PhotoSet, side: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut squares from photos, blur some of the sharp ones, flip half, and change the colours of half.

    A sharp cut is never enlarged: its edge is between `side` and the stored side, and at least 0.6 of the stored side. The
    edge of a blurred cut is at least 0.5 of the stored side. A cut may reach over the border by a sixteenth, where the photo
    is mirrored. Some of the photos that are stored larger than SHARP are turned slightly.

    Args:
        photos: The photos.
        side: The side of the result in pixels.
        rng: The source of random numbers.

    Returns:
        The batch, float32 (n, 3, side, side) in 0..1, and which photos are blurred, bool (n,). These are the photos that were
        blurred here or had little detail from the start.
    """
    n, stored = len(photos), photos.pixels.shape[1]
    reach = stored // 16
    padded = np.pad(photos.pixels, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="reflect")
    blurred = (photos.detail < min(side, SHARP)) | (rng.random(n) < BLURRED)
    smallest = np.where(blurred, round(0.5 * stored), min(max(side, round(0.6 * stored)), stored))
    stretch = STRETCH ** rng.uniform(-0.5, 0.5, n)
    edges = rng.integers(smallest, stored + 1)
    # A stretched cut may be too small and would be enlarged. Such a cut isn't stretched.
    stretch = np.where(edges / STRETCH**0.5 < smallest, 1.0, stretch)
    sizes = edges[:, None] * np.stack([stretch, 1 / stretch], axis=1)
    sizes = np.minimum(np.rint(sizes).astype(np.int64), stored)
    corners = rng.integers(0, stored + 2 * reach - sizes + 1)
    angles = np.where(photos.askew, MAX_ANGLE_ASKEW, MAX_ANGLE) * rng.uniform(-1, 1, n)
    turned = photos.askew | ((stored > SHARP) & (rng.random(n) < TURNED))
    details = rng.integers(MIN_DETAIL, side, n)
    cuts = np.empty((n, side, side, 3), dtype=np.uint8)
    for index, (photo, (height, width), (y, x)) in enumerate(zip(padded, sizes, corners, strict=True)):
        cut = Image.fromarray(_turned(photo, angles[index], rng) if turned[index] else photo[y : y + height, x : x + width])
        if blurred[index]:
            cut = cut.resize((details[index], details[index]), Image.Resampling.BICUBIC)
        cuts[index] = _resized(cut, side)
    flipped = rng.random(n) < 0.5
    cuts[flipped] = cuts[flipped, :, ::-1]
    batch = torch.from_numpy(cuts).permute(0, 3, 1, 2).float() / 255

    jittered = rng.random(n) < 0.5

    def factor() -> torch.Tensor:
        return torch.from_numpy(np.where(jittered, rng.uniform(0.7, 1.3, n), 1.0).astype(np.float32)).view(n, 1, 1, 1)

    batch = batch * factor()
    mean = batch.mean(dim=(1, 2, 3), keepdim=True)
    batch = mean + (batch - mean) * factor()
    grey = batch.mean(dim=1, keepdim=True)
    batch = grey + (batch - grey) * factor()
    return batch.clamp_(0, 1), torch.from_numpy(blurred)


def add_detail(batch: torch.Tensor, blurred: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Add detail finer than MIN_DETAIL pixels from sharp photos to half of the blurred ones, in place.

    Args:
        batch: float32 (n, 3, side, side) in 0..1.
        blurred: Which photos are blurred, bool (n,).
        rng: The source of random numbers.
    """
    takers = np.flatnonzero(blurred.numpy() & (rng.random(len(batch)) < GRAFTED))
    givers = np.flatnonzero(~blurred.numpy())
    if not len(givers):
        return batch
    sharp = batch[rng.choice(givers, len(takers))]
    coarse = torch.nn.functional.interpolate(sharp, size=MIN_DETAIL, mode="bilinear", antialias=True)
    fine = sharp - torch.nn.functional.interpolate(coarse, size=sharp.shape[-1], mode="bicubic")
    strength = torch.from_numpy(rng.uniform(0.2, 0.8, (len(takers), 1, 1, 1)).astype(np.float32))
    batch[takers] = (batch[takers] + strength * fine).clamp(0, 1)
    return batch


def cutmix(batch: torch.Tensor, groups: list[slice], rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Replace a square of each photo by that of another photo (CutMix, Yun et al. 2019).

    All photos have the same square. Its share of the picture is uniform in 0..1.

    Args:
        batch: float32 (n, 3, side, side).
        groups: Rows that are mixed with each other. Other rows stay unchanged.
        rng: The source of random numbers.

    Returns:
        The mixed batch, the row that each row's square comes from, int64 (n,), and the share of the picture that stays. An
        unchanged row has its own index.
    """
    side = batch.shape[-1]
    edge = round(side * math.sqrt(rng.random()))
    y, x = rng.integers(0, side - edge + 1, 2)
    others = torch.arange(len(batch))
    for rows in groups:
        others[rows] = torch.from_numpy(rng.permutation(others[rows].numpy()))
    mixed = batch.clone()
    mixed[:, :, y : y + edge, x : x + edge] = batch[others, :, y : y + edge, x : x + edge]
    return mixed, others, 1 - (edge / side) ** 2


def _turned(photo: npt.NDArray[np.uint8], angle: float, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Turn a photo by `angle` degrees, and cut a square from its middle that contains no black corner of an upright photo."""
    turned = np.asarray(Image.fromarray(photo).rotate(angle, Image.Resampling.BICUBIC))
    edge = rng.integers(round(0.6 * len(photo)), round(0.75 * len(photo)))
    start = (len(photo) - edge) // 2
    return turned[start : start + edge, start : start + edge]


def to_batch(pixels: npt.NDArray[np.uint8], side: int) -> torch.Tensor:
    """Convert stored squares to float32 (n, 3, side, side) in 0..1: resized (bicubic, antialiased), but not augmented."""
    if pixels.shape[1] != side:
        pixels = np.stack([_resized(Image.fromarray(photo), side) for photo in pixels])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def _resized(image: Image.Image, side: int) -> npt.NDArray[np.uint8]:
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))
