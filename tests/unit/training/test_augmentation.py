"""training/data.py: augmented batches keep what photos show, and hide which data set they come from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from data import MIN_DETAIL, PhotoSet, add_detail, augment, has_black_corners, split_held_out, to_batch

pytestmark = pytest.mark.torch

SIDE = 48


def photos(stored: int, count: int = 200, *, detail: int | None = None, askew: bool = False) -> PhotoSet:
    """Random pixels: the sharpest possible photos."""
    pixels = np.random.default_rng(1).integers(0, 256, (count, stored, stored, 3), dtype=np.uint8)
    classes = np.arange(count, dtype=np.int64) % 4
    return PhotoSet(pixels, classes, np.full(count, detail or stored), np.full(count, askew), ("a", "b", "c", "d"))


def fineness(batch: torch.Tensor) -> torch.Tensor:
    """Measure the mean difference of neighbouring pixels, per photo."""
    return (batch[..., 1:] - batch[..., :-1]).abs().mean(dim=(1, 2, 3))


def test_half_of_the_sharp_photos_are_blurred_and_the_others_stay_sharp() -> None:
    batch, blurred = augment(photos(64), SIDE, np.random.default_rng(0))

    assert batch.shape == (200, 3, SIDE, SIDE)
    assert float(batch.min()) >= 0
    assert float(batch.max()) <= 1
    assert 75 < int(blurred.sum()) < 125
    assert float(fineness(batch[blurred]).mean()) < 0.6 * float(fineness(batch[~blurred]).mean())


def test_photos_with_little_detail_all_count_as_blurred() -> None:
    _, blurred = augment(photos(64, detail=30), SIDE, np.random.default_rng(0))

    assert bool(blurred.all())


def test_at_the_stored_side_a_sharp_photo_is_cut_and_never_resampled() -> None:
    """A tower that was trained only on resampled photos reads sharp ones badly."""
    whole = photos(64)

    batch, blurred = augment(whole, 64, np.random.default_rng(0))

    levels = batch[~blurred] * 255
    untouched = (levels - levels.round()).abs().flatten(1).amax(dim=1) < 1e-3
    assert 25 < int(untouched.sum()) < 75, "half of the sharp photos also keep their colours"
    assert torch.allclose(fineness(batch[~blurred][untouched]), fineness(to_batch(whole.pixels, 64)).mean(), rtol=0.1)


def test_blurred_photos_get_fine_detail_of_others_and_sharp_ones_stay() -> None:
    batch, blurred = augment(photos(64), SIDE, np.random.default_rng(0))
    before = batch.clone()

    after = add_detail(batch, blurred, np.random.default_rng(1))

    changed = (after != before).flatten(1).any(dim=1)
    assert not bool(changed[~blurred].any())
    assert 0.25 < float(changed[blurred].float().mean()) < 0.75
    assert float(fineness(after[changed]).mean()) > float(fineness(before[changed]).mean())
    small = (MIN_DETAIL // 2, MIN_DETAIL // 2)
    coarse = [torch.nn.functional.interpolate(version[changed], size=small, mode="area") for version in (before, after)]
    assert float((coarse[0] - coarse[1]).abs().mean()) < 0.03, "the coarse picture stays the same"


def test_a_batch_without_sharp_photos_stays_unchanged() -> None:
    batch, blurred = augment(photos(64, detail=30), SIDE, np.random.default_rng(0))
    before = batch.clone()

    assert torch.equal(add_detail(batch, blurred, np.random.default_rng(0)), before)


def test_a_photo_between_black_corners_is_recognised_and_turned() -> None:
    upright = Image.fromarray(np.full((112, 112, 3), 200, dtype=np.uint8))
    turned = upright.rotate(45)
    assert has_black_corners(turned)
    assert not has_black_corners(upright)

    many = np.repeat(np.asarray(turned)[None], 50, axis=0)
    askew = PhotoSet(many, np.zeros(50, np.int64), np.full(50, 112), np.full(50, True), ("a",))
    batch, _ = augment(askew, SIDE, np.random.default_rng(0))

    assert int(((batch < 0.05).float().mean(dim=(1, 2, 3)) < 0.01).sum()) > 5, "some are upright, without black corners"


def test_some_of_the_large_photos_are_turned_slightly() -> None:
    """Their classes are small. A tower must not recognise a class by an upright line in all of its photos."""
    stripes = np.zeros((60, 112, 112, 3), dtype=np.uint8)
    stripes[:, :, 48:64] = 255
    upright = PhotoSet(stripes, np.zeros(60, np.int64), np.full(60, 112), np.zeros(60, bool), ("a",))
    batch, _ = augment(upright, SIDE, np.random.default_rng(0))

    across = (batch.mean(dim=1).amax(dim=1) - batch.mean(dim=1).amin(dim=1)).amax(dim=1)  # within one column of pixels
    turned = float((across > 0.3).float().mean())
    assert 0.25 < turned < 0.75


def test_a_batch_without_augmentation_is_only_resized() -> None:
    whole = photos(64, count=3)

    assert torch.equal((to_batch(whole.pixels, 64) * 255).round().byte(), torch.from_numpy(whole.pixels).permute(0, 3, 1, 2))
    assert to_batch(whole.pixels, SIDE).shape == (3, 3, SIDE, SIDE)


def test_the_same_tenth_of_each_class_is_held_out_each_time() -> None:
    whole = photos(16)

    training, held_out = split_held_out(whole)

    assert np.bincount(held_out.classes).tolist() == [5, 5, 5, 5]
    assert len(training) == 180
    assert np.array_equal(split_held_out(whole)[1].pixels, held_out.pixels)
