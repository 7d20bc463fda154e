"""Read the Parquet shards into arrays, split off what is held out, and cut augmented batches.

Every shard has `image` (encoded bytes), `label` (English words, synonyms separated by commas, the common name first) and
`source`. Images are decoded once into a uint8 cache, because decoding WebP costs more than a training step.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import torch
from PIL import Image

HELD_OUT_SEED = 20240607
HELD_OUT_SHARE = 0.1

# file stem -> stored side in pixels: each near its shards' native size, so that the cache neither invents nor loses detail.
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
    """Photos of one native size. `pixels`: uint8 (n, side, side, 3); `classes`: int64 (n,), an index into `names`."""

    pixels: npt.NDArray[np.uint8]
    classes: npt.NDArray[np.int64]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.classes)

    def take(self, rows: npt.NDArray[np.int64]) -> PhotoSet:
        return PhotoSet(self.pixels[rows], self.classes[rows], self.names)


def centre_square(encoded: bytes, side: int) -> Image.Image:
    """Decode to RGB, scale the shorter side to `side` pixels (bicubic, antialiased) and cut the centre square."""
    image = Image.open(io.BytesIO(encoded)).convert("RGB")
    width, height = image.size
    edge = min(width, height)
    left, top = (width - edge) // 2, (height - edge) // 2
    return image.resize((side, side), Image.Resampling.BICUBIC, box=(left, top, left + edge, top + edge))


def load(folder: Path, stems: list[str], cache: Path) -> PhotoSet:
    """Decode the shards `stems` of `folder` (all of one stored side) into one PhotoSet, through the cache folder."""
    cache.mkdir(parents=True, exist_ok=True)
    pixels, labels = [], []
    for stem in stems:
        cached = cache / f"{stem}-{SHARDS[stem]}.npz"
        if not cached.exists():
            table = pq.read_table(folder / f"{stem}.parquet", columns=["image", "label"])
            decoded = [np.asarray(centre_square(raw, SHARDS[stem])) for raw in table["image"].to_pylist()]
            partial = cached.with_suffix(".partial.npz")
            np.savez(partial, pixels=np.stack(decoded), labels=np.array(table["label"].to_pylist()))
            partial.rename(cached)
        stored = np.load(cached)
        pixels.append(stored["pixels"])
        labels.append(stored["labels"])
    names, classes = np.unique(np.concatenate(labels), return_inverse=True)
    return PhotoSet(np.concatenate(pixels), classes.astype(np.int64), tuple(str(name) for name in names))


def split_held_out(photos: PhotoSet) -> tuple[PhotoSet, PhotoSet]:
    """Split off a tenth of each class, by a fixed seed: (training, held out)."""
    rng = np.random.default_rng(HELD_OUT_SEED)
    held_out = np.zeros(len(photos), dtype=bool)
    for index in range(len(photos.names)):
        rows = np.flatnonzero(photos.classes == index)
        held_out[rng.choice(rows, size=max(1, round(len(rows) * HELD_OUT_SHARE)), replace=False)] = True
    return photos.take(np.flatnonzero(~held_out)), photos.take(np.flatnonzero(held_out))


def class_weights(photos: PhotoSet, power: float) -> npt.NDArray[np.float64]:
    """Sampling probabilities per photo: a class of n photos is drawn in proportion to n ** (1 - power)."""
    counts = np.bincount(photos.classes, minlength=len(photos.names)).astype(np.float64)
    weights = counts[photos.classes] ** -power
    return np.asarray(weights / weights.sum())


def augment(pixels: npt.NDArray[np.uint8], side: int, rng: np.random.Generator) -> torch.Tensor:
    """Cut squares that are whole photos or nearly so, flip half of them, and change the colours of half of them.

    `pixels`: uint8 (n, s, s, 3). Returns float32 (n, 3, side, side) in 0..1. A cut's edge is between `side` and s, as far as
    0.6 s, and may stand out by s / 16, where the photo is mirrored. So it is scaled down or not at all, and stays sharp: a
    tower that learned from blurred cuts reads sharp photos badly.
    """
    n, stored = len(pixels), pixels.shape[1]
    reach = stored // 16
    padded = np.pad(pixels, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="reflect")
    smallest = min(max(side, round(0.6 * stored)), stored)
    edges = rng.integers(smallest, stored + 1, n)
    corners = rng.integers(0, (stored + 2 * reach - edges + 1)[:, None], (n, 2))
    cuts = np.empty((n, side, side, 3), dtype=np.uint8)
    for index, (photo, edge, (y, x)) in enumerate(zip(padded, edges, corners, strict=True)):
        cut = photo[y : y + edge, x : x + edge]
        cuts[index] = cut if edge == side else _resized(Image.fromarray(cut), side)
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
    return batch.clamp_(0, 1)


def plain(pixels: npt.NDArray[np.uint8], side: int) -> torch.Tensor:
    """Turn stored squares into float32 (n, 3, side, side) in 0..1, resized (bicubic, antialiased) but not augmented."""
    if pixels.shape[1] != side:
        pixels = np.stack([_resized(Image.fromarray(photo), side) for photo in pixels])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def _resized(image: Image.Image, side: int) -> npt.NDArray[np.uint8]:
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))
