"""The photos that were never trained on: near-duplicates are in one part, classes are halved, left-out classes are left out.

Also the photos that CutMix mixes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from data import (
    HELD_OUT_SHARE,
    NEAR_BITS,
    PhotoSet,
    cutmix,
    held_out_rows,
    near_duplicates,
    perceptual_hashes,
    remove_classes,
    split_held_out,
)
from held_out import group_near_duplicates, report_half, write
from support.fake_encoder import FakeEncoder
from text_targets import find_same_classes

pytestmark = pytest.mark.torch

SIDE = 32
NAMES = ("ant", "bee", "cat", "dog")
Pixels = npt.NDArray[np.uint8]


def scenes(count: int, seed: int = 0) -> Pixels:
    """Create random pictures that differ, but are smooth, so that a scaled copy stays similar."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(scene).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for scene in coarse])


def altered_copy(photo: Pixels) -> Pixels:
    """Copy a photo as it may circulate: reduced, enlarged again, and brighter."""
    small = Image.fromarray(photo).resize((24, 24)).resize((SIDE, SIDE))
    return np.asarray(small.point(lambda level: min(255, round(level * 0.9 + 20))))


def photo_set(
    pixels: Pixels, classes: list[int] | npt.NDArray[np.int64] | None = None, names: tuple[str, ...] = NAMES
) -> PhotoSet:
    count = len(pixels)
    numbers = np.arange(count) % len(names) if classes is None else np.asarray(classes)
    return PhotoSet(pixels, numbers.astype(np.int64), np.full(count, SIDE), np.zeros(count, dtype=bool), names)


def with_copies(count: int = 80) -> PhotoSet:
    """Create photos, followed by an altered copy of each in the same class."""
    originals = photo_set(scenes(count))
    copies = np.stack([altered_copy(photo) for photo in originals.pixels])
    return photo_set(np.concatenate([originals.pixels, copies]), np.tile(originals.classes, 2))


def test_an_altered_copy_is_a_near_duplicate_and_another_photo_is_not() -> None:
    pixels = scenes(30)
    hashes = perceptual_hashes(pixels)

    is_duplicate = near_duplicates(hashes, perceptual_hashes(np.stack([altered_copy(photo) for photo in pixels])))

    assert hashes.shape == (30, 64)
    assert np.array_equal(is_duplicate, np.eye(30, dtype=bool))


@pytest.mark.parametrize(("bits", "near"), [(0, True), (NEAR_BITS, True), (NEAR_BITS + 1, False), (64, False)])
def test_hashes_that_differ_in_few_bits_are_near_duplicates(bits: int, near: bool) -> None:
    hashes = np.random.default_rng(0).random((1, 64)) < 0.5
    others = hashes.copy()
    others[0, :bits] ^= True

    assert near_duplicates(hashes, others).tolist() == [[near]]


def test_each_hash_is_compared_with_each_other_hash() -> None:
    hashes = np.random.default_rng(0).random((5, 64)) < 0.5

    assert near_duplicates(hashes, hashes[:2]).tolist() == [[i == j for j in range(2)] for i in range(5)]


def test_held_out_photos_have_no_near_duplicate_in_training() -> None:
    photos = photo_set(np.concatenate([scenes(200), np.stack([altered_copy(photo) for photo in scenes(200)[:60]])]))

    training, held_out = split_held_out(photos)

    assert not near_duplicates(perceptual_hashes(held_out.pixels), perceptual_hashes(training.pixels)).any()
    assert len(training) + len(held_out) == len(photos)
    assert 0 < len(held_out) < HELD_OUT_SHARE * len(photos), "photos with a copy stay in training"


def test_a_tenth_of_each_class_is_held_out_if_photos_have_no_copies() -> None:
    photos = photo_set(scenes(160))

    held_out = held_out_rows(photos)

    assert np.bincount(photos.classes[held_out]).tolist() == [4, 4, 4, 4]
    assert np.array_equal(held_out, held_out_rows(photos)), "the same each time"


def test_a_chain_of_near_duplicates_forms_one_group() -> None:
    """The first and the last of a chain need not be near-duplicates of each other."""
    first = np.random.default_rng(0).random(64) < 0.5
    chain = np.stack([first] * 4)
    for link in range(4):
        chain[link, : link * NEAR_BITS] ^= True
    others = np.random.default_rng(1).random((3, 64)) < 0.5
    hashes = np.concatenate([chain[[2]], others[:1], chain[[0, 3]], others[1:], chain[[1]]])
    assert not near_duplicates(chain[:1], chain[3:]).any()

    groups = group_near_duplicates(hashes)

    linked = groups[[0, 2, 3, 6]]
    assert len(set(linked.tolist())) == 1
    assert len(set(groups.tolist())) == 4


def test_groups_span_the_blocks_in_which_hashes_are_compared() -> None:
    hashes = np.random.default_rng(0).random((2_100, 64)) < 0.5
    hashes[2_050] = hashes[1_500] = hashes[7]

    groups = group_near_duplicates(hashes)

    assert len(set(groups[[7, 1_500, 2_050]].tolist())) == 1
    assert len(set(groups.tolist())) == 2_098


def test_near_duplicates_lie_in_one_half() -> None:
    photos = with_copies()

    report = report_half(photos)

    assert np.array_equal(report[:80], report[80:])
    hashes = perceptual_hashes(photos.pixels)
    assert not near_duplicates(hashes[report], hashes[~report]).any()


@pytest.mark.parametrize("photos", [photo_set(scenes(84)), with_copies(), photo_set(scenes(8))], ids=["many", "copies", "few"])
def test_each_class_is_halved(photos: PhotoSet) -> None:
    report = report_half(photos)

    counts = np.array([np.bincount(photos.classes[half], minlength=4) for half in (report, ~report)])
    assert np.abs(counts[0] - counts[1]).max() <= 2, "a group of two may be on either side"
    assert counts.min() >= 1
    assert np.array_equal(report, report_half(photos)), "the same each time"


def test_a_group_that_two_classes_share_stays_whole() -> None:
    originals = scenes(40)
    copies = np.stack([altered_copy(photo) for photo in originals[:10]])
    classes = np.concatenate([np.arange(40) % 4, (np.arange(10) + 1) % 4])

    report = report_half(photo_set(np.concatenate([originals, copies]), classes))

    assert np.array_equal(report[:10], report[40:])
    for index in range(4):
        assert set(report[classes == index]) == {True, False}


def test_rows_are_written_with_their_common_names(tmp_path: Path) -> None:
    table = pa.table({"image": [b"0", b"1", b"2"], "label": ["tabby, tabby cat", "desk", "ox"], "source": ["a", "b", "c"]})

    write(table, np.array([0, 2]), tmp_path / "half" / "photos.parquet")

    assert pq.read_table(tmp_path / "half" / "photos.parquet").to_pydict() == {
        "image": [b"0", b"2"],
        "label": ["tabby", "ox"],
        "source": ["a", "c"],
    }


def test_remaining_classes_get_new_numbers_and_keep_their_photos() -> None:
    photos = photo_set(scenes(20))

    kept = remove_classes(photos, {"bee", "dog", "unicorn"})

    assert kept.names == ("ant", "cat")
    assert kept.classes.dtype == np.int64
    expected = [(photos.names[index], photo.tobytes()) for index, photo in zip(photos.classes, photos.pixels, strict=True)]
    named_photos = [(kept.names[index], photo.tobytes()) for index, photo in zip(kept.classes, kept.pixels, strict=True)]
    assert named_photos == [pair for pair in expected if pair[0] in kept.names]
    assert len(kept.detail) == len(kept.askew) == len(kept) == 10


def test_all_classes_stay_if_none_is_removed() -> None:
    photos = photo_set(scenes(20))

    kept = remove_classes(photos, ())

    assert kept.names == photos.names
    assert np.array_equal(kept.classes, photos.classes)
    assert np.array_equal(kept.pixels, photos.pixels)


def embed(texts: list[str]) -> npt.NDArray[np.float32]:
    return FakeEncoder(dim=512).encode_text(texts)


def test_the_same_class_in_another_source_is_recognised_by_its_common_name() -> None:
    degrees = {"elephant": 0, "pool": 120, "African elephant": 30, "tusker": 60, "swimming pool": 120, "mammoth": 300}

    def at_an_angle(names: list[str]) -> npt.NDArray[np.float32]:
        angles = np.radians([degrees[name] for name in names])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    others = ("African elephant, tusker", "tusker, elephant", "swimming pool", "mammoth")
    same = find_same_classes(at_an_angle, ["elephant, tusker", "pool"], others)

    assert same == {"African elephant, tusker", "swimming pool"}


def test_a_left_out_class_and_its_synonyms_are_removed_from_every_source() -> None:
    left_out = ("brown bear, bruin", "hotdog")
    sources = [
        photo_set(scenes(12), names=("brown bear, bruin", "crab", "desk, table")),
        photo_set(scenes(12), names=("bear brown", "hotdog", "crab")),
        photo_set(scenes(12), names=("truck", "dog", "ship")),
    ]

    kept = [remove_classes(source, {*left_out, *find_same_classes(embed, left_out, source.names)}) for source in sources]

    assert [source.names for source in kept] == [("crab", "desk, table"), ("crab",), ("truck", "dog", "ship")]
    assert [len(source) for source in kept] == [8, 4, 12]


def test_each_pixel_of_a_mixed_photo_comes_from_one_of_the_two_at_the_same_position() -> None:
    batch = torch.rand(7, 3, SIDE, SIDE)
    before = batch.clone()

    for seed in range(10):
        mixed, others, share = cutmix(batch, [slice(1, 6)], np.random.default_rng(seed))

        assert sorted(others.tolist()) == list(range(7))
        assert others.tolist()[:1] + others.tolist()[6:] == [0, 6], "rows outside the group are not mixed"
        assert torch.equal(batch, before), "the original photos stay unchanged"
        unchanged = (mixed == batch).all(dim=1)
        assert bool((unchanged | (mixed == batch[others]).all(dim=1)).all())
        for index, other in enumerate(others.tolist()):
            if other != index:
                assert float(unchanged[index].float().mean()) == pytest.approx(share, abs=1e-6)
        taken = (~unchanged[others != torch.arange(7)]).float()
        assert bool((taken == taken[:1]).all()), "all photos have the same square"
        height, width = (taken[0].amax(dim=dim).sum() for dim in (1, 0))
        assert float(height * width) == pytest.approx((1 - share) * SIDE**2, abs=1e-3)


def test_photos_are_mixed_with_those_of_their_own_source() -> None:
    """A thirty-pixel cat in a sharp photo would reveal the source."""
    for seed in range(10):
        _, others, _ = cutmix(torch.rand(9, 3, SIDE, SIDE), [slice(0, 4), slice(4, 8)], np.random.default_rng(seed))

        assert [sorted(others[rows].tolist()) for rows in (slice(0, 4), slice(4, 8))] == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_shares_lie_evenly_between_none_and_all() -> None:
    batch = torch.zeros(1, 1, SIDE, SIDE)

    shares = np.array([cutmix(batch, [slice(0, 1)], np.random.default_rng(seed))[2] for seed in range(200)])

    assert 0 <= shares.min() < 0.05
    assert 0.95 < shares.max() <= 1
    assert shares.mean() == pytest.approx(0.5, abs=0.05)


def test_the_share_is_that_of_the_visible_picture() -> None:
    """Each photo has one colour, so the mean colour of a mixed photo shows the share."""
    batch = torch.arange(5.0).view(5, 1, 1, 1).expand(5, 3, SIDE, SIDE)

    mixed, others, share = cutmix(batch, [slice(0, 5)], np.random.default_rng(3))

    expected = share * torch.arange(5.0) + (1 - share) * others.float()
    assert torch.allclose(mixed.mean(dim=(1, 2, 3)), expected, atol=1e-4)
