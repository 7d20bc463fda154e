"""benchmarks/packaged_photos.py: as many photos as are asked for, the same each time, and served as they are."""

from __future__ import annotations

import io

import httpx
from PIL import Image

import packaged_photos


def test_photos_are_of_one_size_and_no_two_alike() -> None:
    files = packaged_photos.varied(20)

    assert len(set(files)) == 20
    assert files == packaged_photos.varied(20)
    for data in files:
        with Image.open(io.BytesIO(data)) as image:
            assert (image.format, image.size) == ("JPEG", (640, 480))


def test_files_are_served_each_at_an_address_of_its_own() -> None:
    with packaged_photos.served([b"one", b"two"]) as urls, httpx.Client(trust_env=False) as client:
        assert [client.get(url).content for url in urls] == [b"one", b"two"]
