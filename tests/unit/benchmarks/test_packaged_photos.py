"""benchmarks/packaged_photos.py: the photos differ, are the same each time, and are served unchanged."""

from __future__ import annotations

import io

import httpx
from PIL import Image

import packaged_photos


def test_photos_have_one_size_and_all_differ() -> None:
    files = packaged_photos.create_varied(20)

    assert len(set(files)) == 20
    assert files == packaged_photos.create_varied(20)
    for data in files:
        with Image.open(io.BytesIO(data)) as image:
            assert (image.format, image.size) == ("JPEG", (640, 480))


def test_each_file_is_served_at_its_own_url() -> None:
    with packaged_photos.serve([b"one", b"two"]) as urls, httpx.Client(trust_env=False) as client:
        assert [client.get(url).content for url in urls] == [b"one", b"two"]
