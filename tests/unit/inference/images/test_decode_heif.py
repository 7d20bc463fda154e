"""HEIC as phones and cameras write it: tiles, a turn, smaller copies, depth, 10 bits, and all sorts of metadata."""

from __future__ import annotations

import zlib
from io import BytesIO

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from pigeonhole.inference.images.decode import open_image
from pigeonhole.inference.images.decode_pool import DecodePool
from pigeonhole.inference.images.limits import ImageLimits
from support import fits
from support.pictures import difference, exif_turn, four_corners, save, turned

PICTURE = four_corners(192, 128)


def opened(data: bytes) -> Image.Image:
    return open_image(data, ImageLimits(), side=64)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_of_tiles_is_put_together_and_turned(orientation: int) -> None:
    """iPhones write a grid of tiles, irot or imir, EXIF and a thumbnail."""
    file = save(PICTURE, "HEIF", tile_size=64, exif=exif_turn(orientation), thumbnails=[64], quality=95)
    assert all(box in file for box in (b"grid", b"dimg", b"thmb", b"cdsc"))

    assert difference(opened(file), turned(PICTURE, orientation)) < 3


def test_the_container_names_the_turn_and_not_exif() -> None:
    """ISO/IEC 23008-12, annex A, says so. Some editors turn the pixels and leave EXIF as it was."""
    file = save(PICTURE, "HEIF", exif=exif_turn(1), quality=95)
    assert b"irot" not in file

    assert difference(opened(file.replace(exif_turn(1), exif_turn(6))), PICTURE) < 3


@pytest.mark.parametrize("kind", [b"urn:mpeg:hevc:2015:auxid:2", b"urn:com:apple:photo:aux:gm"], ids=["depth", "unknown"])
def test_another_auxiliary_picture_than_alpha_does_not_matter(kind: bytes) -> None:
    picture = PICTURE.copy()
    picture.putalpha(Image.linear_gradient("L").resize(PICTURE.size))
    file = save(picture, "HEIF", quality=95)
    assert b"urn:mpeg:hevc:2015:auxid:1" in file

    assert difference(opened(file.replace(b"urn:mpeg:hevc:2015:auxid:1", kind)), PICTURE) < 3
    assert difference(opened(file), PICTURE) > 30


def test_a_tone_map_of_the_picture_does_not_matter() -> None:
    """iOS 18 derives a bright variant, tmap, from the picture."""
    file = with_metadata(b"tmap", bytes(62)).replace(b"cdsc", b"dimg")
    assert b"tmap" in file

    assert difference(opened(file), PICTURE) < 3


def test_ten_bits_are_reduced_to_eight() -> None:
    file = BytesIO()
    values = np.asarray(PICTURE, "<u2") * 257
    pillow_heif.from_bytes("RGB;16", PICTURE.size, values.tobytes()).save(file, quality=95)
    assert pillow_heif.open_heif(file.getvalue()).info["bit_depth"] == 10

    assert difference(opened(file.getvalue()), PICTURE) < 3


def test_the_primary_picture_of_a_burst_is_decoded() -> None:
    burst = pillow_heif.HeifFile()
    for colour in ("red", "blue", "lime"):
        burst.add_from_pillow(Image.new("RGB", (64, 64), colour))
    file = BytesIO()
    burst.save(file, primary_index=1, quality=95)

    assert np.allclose(opened(file.getvalue()).getpixel((30, 30)), (0, 0, 255), atol=5)


def with_metadata(kind: bytes, content: bytes = b"") -> bytes:
    """Build a HEIF whose XMP has another kind, and other content if there is some."""
    placeholder = b"<x>" + b"a" * (len(content) or 100)
    file = save(PICTURE, "HEIF", xmp=placeholder, quality=95)
    assert file.count(placeholder) == file.count(b"mime\0application/rdf+xml\0\0") == 1
    file = file.replace(b"mime\0application/rdf+xml\0\0", kind.ljust(26, b"\0"))
    return file.replace(placeholder, content.ljust(len(placeholder), b"\0"))


METADATA = {
    "a kind that is no text": with_metadata(b"E\xeaif"),  # ends a process of pi-heif 1.4
    "an unknown kind": with_metadata(b"abcd"),
    "a broken EXIF": with_metadata(b"Exif", b"\xff" * 100),
    "a compressed XMP": with_metadata(b"mime\0application/\0deflate\0", zlib.compress(b"<x/>" * 100)),
    "an unknown compression": with_metadata(b"mime\0application/\0unknown\0"),
    "a uri": with_metadata(b"uri urn:a\0"),
}


@pytest.mark.parametrize("file", METADATA.values(), ids=METADATA)
def test_metadata_does_not_matter(file: bytes) -> None:
    """In a process of its own, because the decoder may crash."""
    pool = DecodePool(fits.shrink, ImageLimits(), side=4)

    assert np.allclose(pool.decode(file)[0].astype(int), fits.shrink(PICTURE), atol=3)
