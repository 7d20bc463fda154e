"""training/data.py: what a batch may show, and what it may not give away."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from data import LEAST_DETAIL, PhotoSet, augment, graft, has_black_corners, plain, split_held_out

SIDE = 48


def photos(stored: int, count: int = 200, *, detail: int | None = None, askew: bool = False) -> PhotoSet:
    """Noise: the sharpest that photos can be."""
    pixels = np.random.default_rng(1).integers(0, 256, (count, stored, stored, 3), dtype=np.uint8)
    classes = np.arange(count, dtype=np.int64) % 4
    return PhotoSet(pixels, classes, np.full(count, detail or stored), np.full(count, askew), ("a", "b", "c", "d"))


def fineness(batch: torch.Tensor) -> torch.Tensor:
    """How much neighbouring pixels differ, per photo."""
    return (batch[..., 1:] - batch[..., :-1]).abs().mean(dim=(1, 2, 3))


def test_half_of_the_sharp_photos_are_blurred_and_the_others_stay_sharp() -> None:
    batch, blurred = augment(photos(64), SIDE, np.random.default_rng(0))

    assert batch.shape == (200, 3, SIDE, SIDE)
    assert float(batch.min()) >= 0
    assert float(batch.max()) <= 1
    assert 75 < int(blurred.sum()) < 125
    assert float(fineness(batch[blurred]).mean()) < 0.6 * float(fineness(batch[~blurred]).mean())


def test_photos_that_came_with_little_detail_all_count_as_blurred() -> None:
    _, blurred = augment(photos(64, detail=30), SIDE, np.random.default_rng(0))

    assert bool(blurred.all())


def test_at_the_stored_side_a_sharp_photo_is_cut_and_never_resampled() -> None:
    """A tower that learned from resampled photos alone reads sharp ones badly."""
    whole = photos(64)

    batch, blurred = augment(whole, 64, np.random.default_rng(0))

    levels = batch[~blurred] * 255
    untouched = (levels - levels.round()).abs().flatten(1).amax(dim=1) < 1e-3
    assert 25 < int(untouched.sum()) < 75, "half of them have their own colours, too"
    assert torch.allclose(fineness(batch[~blurred][untouched]), fineness(plain(whole.pixels, 64)).mean(), rtol=0.1)


def test_blurred_photos_get_fine_detail_of_others_and_sharp_ones_stay() -> None:
    batch, blurred = augment(photos(64), SIDE, np.random.default_rng(0))
    before = batch.clone()

    after = graft(batch, blurred, np.random.default_rng(1))

    changed = (after != before).flatten(1).any(dim=1)
    assert not bool(changed[~blurred].any())
    assert 0.25 < float(changed[blurred].float().mean()) < 0.75
    assert float(fineness(after[changed]).mean()) > float(fineness(before[changed]).mean())
    small = (LEAST_DETAIL // 2, LEAST_DETAIL // 2)
    coarse = [torch.nn.functional.interpolate(it[changed], size=small, mode="area") for it in (before, after)]
    assert float((coarse[0] - coarse[1]).abs().mean()) < 0.03, "what it shows stays"


def test_a_batch_without_sharp_photos_is_left_alone() -> None:
    batch, blurred = augment(photos(64, detail=30), SIDE, np.random.default_rng(0))
    before = batch.clone()

    assert torch.equal(graft(batch, blurred, np.random.default_rng(0)), before)


def test_a_photo_between_black_corners_is_found_and_turned() -> None:
    upright = Image.fromarray(np.full((112, 112, 3), 200, dtype=np.uint8))
    turned = upright.rotate(45)
    assert has_black_corners(turned)
    assert not has_black_corners(upright)

    many = np.repeat(np.asarray(turned)[None], 50, axis=0)
    askew = PhotoSet(many, np.zeros(50, np.int64), np.full(50, 112), np.full(50, True), ("a",))
    batch, _ = augment(askew, SIDE, np.random.default_rng(0))

    assert int(((batch < 0.05).float().mean(dim=(1, 2, 3)) < 0.01).sum()) > 5, "some stand upright, without black corners"


def test_of_photos_with_pixels_to_spare_some_are_turned_a_little() -> None:
    """Their classes are small: an upright line in all photos of one must not be what tells it."""
    stripes = np.zeros((60, 112, 112, 3), dtype=np.uint8)
    stripes[:, :, 48:64] = 255
    upright = PhotoSet(stripes, np.zeros(60, np.int64), np.full(60, 112), np.zeros(60, bool), ("a",))
    batch, _ = augment(upright, SIDE, np.random.default_rng(0))

    across = (batch.mean(dim=1).amax(dim=1) - batch.mean(dim=1).amin(dim=1)).amax(dim=1)  # within one column of pixels
    turned = float((across > 0.3).float().mean())
    assert 0.25 < turned < 0.75


def test_what_is_not_augmented_is_only_resized() -> None:
    whole = photos(64, count=3)

    assert torch.equal((plain(whole.pixels, 64) * 255).round().byte(), torch.from_numpy(whole.pixels).permute(0, 3, 1, 2))
    assert plain(whole.pixels, SIDE).shape == (3, 3, SIDE, SIDE)


def test_a_tenth_of_each_class_is_held_out_the_same_each_time() -> None:
    whole = photos(16)

    training, held_out = split_held_out(whole)

    assert np.bincount(held_out.classes).tolist() == [5, 5, 5, 5]
    assert len(training) == 180
    assert np.array_equal(split_held_out(whole)[1].pixels, held_out.pixels)
