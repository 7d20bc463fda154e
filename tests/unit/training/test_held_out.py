"""What training never saw: near-duplicates lie on one side, halves split every class, a left-out class is left out everywhere.

And the pictures that are mixed for a run.
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
    held_out_rows,
    mix,
    near_duplicates,
    perceptual_hashes,
    split_held_out,
    without,
)
from held_out import groups_of, report_half, write
from pigeonhole.inference.encoders.fake_encoder import FakeEncoder
from text_targets import same_in

SIDE = 32
NAMES = ("ant", "bee", "cat", "dog")
Pixels = npt.NDArray[np.uint8]


def scenes(count: int, seed: int = 0) -> Pixels:
    """Pictures as different as can be, yet smooth, so that a copy that was scaled stays alike."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(it).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for it in coarse])


def altered(photo: Pixels) -> Pixels:
    """A copy as they go round: smaller and enlarged again, and brighter."""
    small = Image.fromarray(photo).resize((24, 24)).resize((SIDE, SIDE))
    return np.asarray(small.point(lambda level: min(255, round(level * 0.9 + 20))))


def photo_set(
    pixels: Pixels, classes: list[int] | npt.NDArray[np.int64] | None = None, names: tuple[str, ...] = NAMES
) -> PhotoSet:
    count = len(pixels)
    numbers = np.arange(count) % len(names) if classes is None else np.asarray(classes)
    return PhotoSet(pixels, numbers.astype(np.int64), np.full(count, SIDE), np.zeros(count, dtype=bool), names)


def with_copies(count: int = 80) -> PhotoSet:
    """Photos, and an altered copy of each, in the same class, behind them all."""
    originals = photo_set(scenes(count))
    copies = np.stack([altered(photo) for photo in originals.pixels])
    return photo_set(np.concatenate([originals.pixels, copies]), np.tile(originals.classes, 2))


def test_an_altered_copy_is_a_near_duplicate_and_another_photo_is_not() -> None:
    pixels = scenes(30)
    hashes = perceptual_hashes(pixels)

    found = near_duplicates(hashes, perceptual_hashes(np.stack([altered(photo) for photo in pixels])))

    assert hashes.shape == (30, 64)
    assert np.array_equal(found, np.eye(30, dtype=bool))


@pytest.mark.parametrize(("bits", "near"), [(0, True), (NEAR_BITS, True), (NEAR_BITS + 1, False), (64, False)])
def test_near_is_what_differs_in_few_bits(bits: int, near: bool) -> None:
    one = np.random.default_rng(0).random((1, 64)) < 0.5
    other = one.copy()
    other[0, :bits] ^= True

    assert near_duplicates(one, other).tolist() == [[near]]


def test_hashes_of_many_are_compared_with_each_of_the_others() -> None:
    hashes = np.random.default_rng(0).random((5, 64)) < 0.5

    assert near_duplicates(hashes, hashes[:2]).tolist() == [[i == j for j in range(2)] for i in range(5)]


def test_what_is_held_out_has_no_near_duplicate_in_training() -> None:
    photos = photo_set(np.concatenate([scenes(200), np.stack([altered(photo) for photo in scenes(200)[:60]])]))

    training, held_out = split_held_out(photos)

    assert not near_duplicates(perceptual_hashes(held_out.pixels), perceptual_hashes(training.pixels)).any()
    assert len(training) + len(held_out) == len(photos)
    assert 0 < len(held_out) < HELD_OUT_SHARE * len(photos), "those with a copy stay in training"


def test_of_photos_without_copies_a_tenth_of_each_class_is_held_out() -> None:
    photos = photo_set(scenes(160))

    held_out = held_out_rows(photos)

    assert np.bincount(photos.classes[held_out]).tolist() == [4, 4, 4, 4]
    assert np.array_equal(held_out, held_out_rows(photos)), "the same each time"


def test_near_duplicates_form_one_group_with_those_that_link_them() -> None:
    """Even where the first and the last of a chain are no near-duplicates themselves."""
    first = np.random.default_rng(0).random(64) < 0.5
    chain = np.stack([first] * 4)
    for link in range(4):
        chain[link, : link * NEAR_BITS] ^= True
    others = np.random.default_rng(1).random((3, 64)) < 0.5
    hashes = np.concatenate([chain[[2]], others[:1], chain[[0, 3]], others[1:], chain[[1]]])
    assert not near_duplicates(chain[:1], chain[3:]).any()

    groups = groups_of(hashes)

    linked = groups[[0, 2, 3, 6]]
    assert len(set(linked.tolist())) == 1
    assert len(set(groups.tolist())) == 4


def test_groups_are_found_across_the_parts_in_which_hashes_are_compared() -> None:
    hashes = np.random.default_rng(0).random((2_100, 64)) < 0.5
    hashes[2_050] = hashes[1_500] = hashes[7]

    groups = groups_of(hashes)

    assert len(set(groups[[7, 1_500, 2_050]].tolist())) == 1
    assert len(set(groups.tolist())) == 2_098


def test_near_duplicates_lie_in_one_half() -> None:
    photos = with_copies()

    report = report_half(photos)

    assert np.array_equal(report[:80], report[80:])
    hashes = perceptual_hashes(photos.pixels)
    assert not near_duplicates(hashes[report], hashes[~report]).any()


@pytest.mark.parametrize("photos", [photo_set(scenes(84)), with_copies(), photo_set(scenes(8))], ids=["many", "copies", "few"])
def test_each_class_is_in_both_halves_alike(photos: PhotoSet) -> None:
    report = report_half(photos)

    counts = np.array([np.bincount(photos.classes[half], minlength=4) for half in (report, ~report)])
    assert np.abs(counts[0] - counts[1]).max() <= 2, "of one group of two"
    assert counts.min() >= 1
    assert np.array_equal(report, report_half(photos)), "the same each time"


def test_a_group_that_two_classes_share_stays_whole() -> None:
    originals = scenes(40)
    copies = np.stack([altered(photo) for photo in originals[:10]])
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


def test_the_classes_that_stay_are_numbered_anew_and_keep_their_photos() -> None:
    photos = photo_set(scenes(20))

    kept = without(photos, {"bee", "dog", "unicorn"})

    assert kept.names == ("ant", "cat")
    assert kept.classes.dtype == np.int64
    expected = [(photos.names[index], photo.tobytes()) for index, photo in zip(photos.classes, photos.pixels, strict=True)]
    found = [(kept.names[index], photo.tobytes()) for index, photo in zip(kept.classes, kept.pixels, strict=True)]
    assert found == [pair for pair in expected if pair[0] in kept.names]
    assert len(kept.detail) == len(kept.askew) == len(kept) == 10


def test_without_nothing_all_stay() -> None:
    photos = photo_set(scenes(20))

    kept = without(photos, ())

    assert kept.names == photos.names
    assert np.array_equal(kept.classes, photos.classes)
    assert np.array_equal(kept.pixels, photos.pixels)


def embed(texts: list[str]) -> npt.NDArray[np.float32]:
    return FakeEncoder(dim=512).encode_text(texts)


def test_another_sources_name_for_a_class_is_found_by_its_common_name() -> None:
    degrees = {"elephant": 0, "pool": 120, "African elephant": 30, "tusker": 60, "swimming pool": 120, "mammoth": 300}

    def at_an_angle(names: list[str]) -> npt.NDArray[np.float32]:
        angles = np.radians([degrees[name] for name in names])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    others = ("African elephant, tusker", "tusker, elephant", "swimming pool", "mammoth")
    found = same_in(at_an_angle, ["elephant, tusker", "pool"], others)

    assert found == {"African elephant, tusker", "swimming pool"}


def test_a_left_out_class_and_its_synonyms_are_gone_from_every_source() -> None:
    left_out = ("brown bear, bruin", "hotdog")
    sources = [
        photo_set(scenes(12), names=("brown bear, bruin", "crab", "desk, table")),
        photo_set(scenes(12), names=("bear brown", "hotdog", "crab")),
        photo_set(scenes(12), names=("truck", "dog", "ship")),
    ]

    kept = [without(source, {*left_out, *same_in(embed, left_out, source.names)}) for source in sources]

    assert [source.names for source in kept] == [("crab", "desk, table"), ("crab",), ("truck", "dog", "ship")]
    assert [len(source) for source in kept] == [8, 4, 12]


def test_each_pixel_of_a_mixed_photo_is_of_one_of_the_two_at_its_place() -> None:
    batch = torch.rand(7, 3, SIDE, SIDE)
    before = batch.clone()

    for seed in range(10):
        mixed, others, share = mix(batch, [slice(1, 6)], np.random.default_rng(seed))

        assert sorted(others.tolist()) == list(range(7))
        assert others.tolist()[:1] + others.tolist()[6:] == [0, 6], "the other rows keep to themselves"
        assert torch.equal(batch, before), "the photos themselves stay"
        own = (mixed == batch).all(dim=1)
        assert bool((own | (mixed == batch[others]).all(dim=1)).all())
        for index, other in enumerate(others.tolist()):
            if other != index:
                assert float(own[index].float().mean()) == pytest.approx(share, abs=1e-6)
        taken = (~own[others != torch.arange(7)]).float()
        assert bool((taken == taken[:1]).all()), "the same rectangle of all"
        height, width = (taken[0].amax(dim=dim).sum() for dim in (1, 0))
        assert float(height * width) == pytest.approx((1 - share) * SIDE**2, abs=1e-3)


def test_photos_are_mixed_with_those_of_their_own_source() -> None:
    """Thirty-pixel cats in sharp photos would tell the sources apart again."""
    for seed in range(10):
        _, others, _ = mix(torch.rand(9, 3, SIDE, SIDE), [slice(0, 4), slice(4, 8)], np.random.default_rng(seed))

        assert [sorted(others[rows].tolist()) for rows in (slice(0, 4), slice(4, 8))] == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_shares_lie_evenly_between_none_and_all() -> None:
    batch = torch.zeros(1, 1, SIDE, SIDE)

    shares = np.array([mix(batch, [slice(0, 1)], np.random.default_rng(seed))[2] for seed in range(200)])

    assert 0 <= shares.min() < 0.05
    assert 0.95 < shares.max() <= 1
    assert shares.mean() == pytest.approx(0.5, abs=0.05)


def test_a_mixed_label_is_worth_what_is_to_be_seen_of_it() -> None:
    """Photos of one colour each: their mean is the shares' mean."""
    batch = torch.arange(5.0).view(5, 1, 1, 1).expand(5, 3, SIDE, SIDE)

    mixed, others, share = mix(batch, [slice(0, 5)], np.random.default_rng(3))

    expected = share * torch.arange(5.0) + (1 - share) * others.float()
    assert torch.allclose(mixed.mean(dim=(1, 2, 3)), expected, atol=1e-4)
