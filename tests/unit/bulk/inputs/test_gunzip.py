"""A gzip file is decompressed in constant memory, whatever its members and chunks."""

from __future__ import annotations

import gzip
from itertools import islice, repeat

import pytest

from pigeonhole.bulk.inputs.gunzip import CHUNK_BYTES, gunzip
from pigeonhole.bulk.manifest import UnreadableManifest

TEXT = b"".join(b"line %d\n" % number for number in range(1_000))


def chunks(data: bytes, size: int) -> list[bytes]:
    return [data[k : k + size] for k in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 7, 1_000_000])
@pytest.mark.parametrize("skip", [0, 1, 500, len(TEXT) - 1, len(TEXT), len(TEXT) + 9])
def test_the_content_is_read_from_any_place(size: int, skip: int) -> None:
    assert b"".join(gunzip(chunks(gzip.compress(TEXT), size), skip)) == TEXT[skip:]


@pytest.mark.parametrize("size", [1, 50, 1_000_000])
def test_members_are_read_one_after_the_other(size: int) -> None:
    """`cat a.gz b.gz` is a gzip file, and so is what pigz and bgzip write."""
    data = gzip.compress(TEXT[:100]) + gzip.compress(b"") + gzip.compress(TEXT[100:]) + b"\0" * 512

    assert b"".join(gunzip(chunks(data, size))) == TEXT


def test_a_file_that_inflates_comes_in_small_chunks() -> None:
    bomb = gzip.compress(bytes(50 * CHUNK_BYTES))

    assert max(len(chunk) for chunk in gunzip([bomb])) <= CHUNK_BYTES


@pytest.mark.parametrize(
    "data",
    [
        b"no gzip",
        gzip.compress(TEXT)[:-9],
        gzip.compress(TEXT)[:40],
        gzip.compress(TEXT) + b"rubbish",
        gzip.compress(TEXT)[:-8] + bytes(8),
    ],
    ids=["no gzip", "no end", "cut off", "rubbish behind it", "a wrong checksum"],
)
def test_a_file_that_is_broken_is_told(data: bytes) -> None:
    with pytest.raises(UnreadableManifest, match="gzip"):
        list(gunzip([data]))


def test_an_empty_file_has_no_content() -> None:
    assert list(gunzip(islice(repeat(b""), 3))) == []
