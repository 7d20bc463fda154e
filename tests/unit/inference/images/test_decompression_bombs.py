"""Small files that are expensive to decode are refused before they are decoded."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageFile

from pigeonhole.errors import TooLarge, UnreadableImage
from pigeonhole.inference.images.decode import ImageLimits, open_image
from pigeonhole.inference.images.decompression_bombs import MAX_SCANS, MAX_SEGMENTS, check_segments
from support.pictures import animation, bmp_header, jpeg_of_scans, png, png_chunk, save, stripes, tiff, tiff_of_one_tile

LIMITS = ImageLimits()


@pytest.fixture
def undecoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(image: ImageFile.ImageFile) -> None:
        raise AssertionError("decoded before it was checked")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)


def jpeg_header(width: int, height: int) -> bytes:
    file = bytearray(save(stripes(), "JPEG"))
    at = file.index(b"\xff\xc0") + 5
    file[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(file)


def gif_header(width: int, height: int) -> bytes:
    file = bytearray(save(stripes(), "GIF"))
    file[6:10] = struct.pack("<HH", width, height)
    return bytes(file)


def webp_header(width: int, height: int) -> bytes:
    file = bytearray(save(stripes(), "WEBP", lossless=True))
    at = file.index(b"VP8L") + 9
    rest = int.from_bytes(file[at : at + 4], "little") >> 28 << 28
    file[at : at + 4] = (rest | (height - 1) << 14 | (width - 1)).to_bytes(4, "little")
    return bytes(file)


def avif_header(width: int, height: int) -> bytes:
    file = bytearray(save(stripes(), "AVIF"))
    at = file.index(b"ispe") + 8
    file[at : at + 8] = struct.pack(">II", width, height)
    return bytes(file)


def png_header(width: int, height: int) -> bytes:
    return png((width, height), 8, 2, [b"\0\0\0"])


def tiff_header(width: int, height: int) -> bytes:
    return tiff({256: [width], 257: [height], 258: [8], 259: [1], 262: [1], 273: [0], 277: [1], 278: [height], 279: [1]}, b"\0")


HEADERS = [png_header, jpeg_header, gif_header, webp_header, avif_header, bmp_header, tiff_header]


@pytest.mark.usefixtures("undecoded")
@pytest.mark.parametrize("header", HEADERS, ids=[header.__name__ for header in HEADERS])
@pytest.mark.parametrize("side", [7_072, 10_000, 14_000], ids=["just too large", "where Pillow warns", "where Pillow refuses"])
def test_too_many_pixels_are_refused_by_the_header(
    header: Callable[[int, int], bytes], side: int, recwarn: pytest.WarningsRecorder
) -> None:
    with pytest.raises(TooLarge, match="50 megapixels"):
        open_image(header(side, side), LIMITS, side=64)

    assert list(recwarn) == [], "Pillow's own warning must not reach the caller"


def test_the_limit_of_pixels_is_exact() -> None:
    file = save(Image.new("RGB", (40, 25)), "PNG")

    assert open_image(file, ImageLimits(max_pixels=1_000), side=64).size == (40, 25)
    with pytest.raises(TooLarge):
        open_image(file, ImageLimits(max_pixels=999), side=64)


def test_a_first_frame_larger_than_the_canvas_counts() -> None:
    file = bytearray(save(Image.new("RGB", (900, 900), "red"), "GIF"))
    file[6:10] = struct.pack("<HH", 10, 10)

    with pytest.raises(TooLarge):
        open_image(bytes(file), ImageLimits(max_pixels=1_000), side=64)


def test_as_many_scans_as_encoders_write_are_accepted() -> None:
    assert open_image(jpeg_of_scans(MAX_SCANS - 20), LIMITS, side=64).size == (16, 16)


@pytest.mark.usefixtures("undecoded")
def test_a_jpeg_of_very_many_scans_is_refused_undecoded() -> None:
    with pytest.raises(UnreadableImage, match="too many parts"):
        open_image(jpeg_of_scans(MAX_SCANS), LIMITS, side=64)


@pytest.mark.parametrize(
    "hidden_behind",
    [
        *(b"\xff\x01", b"\xff\x01\xff\xff", b"\xff\xd0\xff\xff", b"\xff\xff\xff", b"\xff\x00\xff\x00"),
        *(b"junk", b"\xff\xe5\x00\x02", b"\xff\xfe\x00\x00", b"\xff\xe5\x00\x06\xff\xd9\xff\xd9"),
        *(b"\xff\xd9", b"\xff\xd9\xff\xff", b"\xff\xd8\xff\xff", b"\xff\xc8\xff\xff", b"\xff\xf0\xff\xff"),
    ],
)
def test_scans_behind_bytes_that_a_decoder_skips_are_counted(hidden_behind: bytes) -> None:
    file = jpeg_of_scans(MAX_SCANS)
    at = file.index(b"\xff\xdb")

    with pytest.raises(UnreadableImage, match="too many parts"):
        check_segments(file[:at] + hidden_behind + file[at:], "JPEG")


def test_scan_markers_within_metadata_or_after_the_end_do_not_count() -> None:
    file = save(stripes(), "JPEG")
    profile = b"\xff\xe2\xff\xff" + b"\xff\xda" * 32_766 + b"\0"

    assert open_image(file[:2] + profile + file[2:] + b"\xff\xda\0\x02" * 50_000, LIMITS, side=64).size == (48, 32)


@pytest.mark.usefixtures("undecoded")
@pytest.mark.parametrize("filling", [b"\xff", b"\0", b"\xff\0"], ids=["fill", "zeros", "data of no scan"])
def test_a_jpeg_with_many_bytes_between_its_segments_is_refused_undecoded(filling: bytes) -> None:
    """A search that starts again at every byte would take days for these megabytes."""
    jpeg, junk = save(stripes(), "JPEG"), filling * (10_000_000 // len(filling))

    at = jpeg.index(b"\xff\xdb")

    for bomb in (b"\xff\xd8\xff" + junk, jpeg[:at] + junk + jpeg[at:]):
        with pytest.raises(UnreadableImage, match="too many parts"):
            open_image(bomb, LIMITS, side=64)


def test_a_few_bytes_between_the_segments_are_accepted() -> None:
    jpeg = save(stripes(), "JPEG")

    assert open_image(jpeg[:2] + b"\xff" * 1_000 + jpeg[2:], LIMITS, side=64).size == (48, 32)


@pytest.mark.usefixtures("undecoded")
def test_a_file_of_very_many_segments_is_refused_undecoded() -> None:
    jpeg, png_file = save(stripes(), "JPEG"), save(stripes(), "PNG")

    for bomb in (
        jpeg[:2] + b"\xff\xe5\x00\x02" * MAX_SEGMENTS + jpeg[2:],
        png_file[:33] + png_chunk(b"prVt") * MAX_SEGMENTS + png_file[33:],
    ):
        with pytest.raises(UnreadableImage, match="too many parts"):
            open_image(bomb, LIMITS, side=64)


@pytest.mark.usefixtures("undecoded")
def test_a_small_tiff_of_one_huge_tile_is_refused_undecoded() -> None:
    bomb = tiff_of_one_tile(8_192)
    assert len(bomb) < 100_000

    with pytest.raises(TooLarge, match="tiles"):
        open_image(bomb, LIMITS, side=64)


def test_tiles_of_a_usual_size_are_accepted() -> None:
    assert open_image(tiff_of_one_tile(256), LIMITS, side=64).size == (10, 10)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_text_and_profiles_that_decompress_to_megabytes_are_not_decompressed(kind: bytes) -> None:
    packed = zlib.compress(bytes(50_000_000), 9)
    data = {b"zTXt": b"a\0\0", b"iTXt": b"a\0\x01\0\0\0", b"iCCP": b"a\0\0"}[kind] + packed
    file = save(stripes(), "PNG")
    tracemalloc.start()
    try:
        open_image(file[:33] + png_chunk(kind, data) + file[33:], LIMITS, side=64)
    except UnreadableImage:
        pass  # The file may be refused. Only the memory matters.
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert peak < 10_000_000


def test_metadata_whose_entries_share_their_bytes_takes_little_memory() -> None:
    entries = 4_000
    table = b"".join(struct.pack("<HHII", tag, 7, 60_000, 8) for tag in range(entries))
    exif = (b"Exif\0\0II*\0" + struct.pack("<IH", 8, entries) + table).ljust(65_000, b"\0")
    file = save(stripes(), "JPEG")
    bomb = file[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + file[2:]
    tracemalloc.start()
    image = open_image(bomb, LIMITS, side=64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert image.size == (48, 32)
    assert peak < 10_000_000, "each of 4,000 entries claims the same 60 kB: 240 MB"


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "AVIF", "PNG", "TIFF"])
def test_only_the_first_frame_of_an_animation_is_decoded(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = animation(kind, 60)
    opened = type(Image.open(BytesIO(file)))
    visited: list[int] = []
    seek = opened.seek
    monkeypatch.setattr(opened, "seek", lambda image, frame: (visited.append(frame), seek(image, frame))[1])

    image = open_image(file, LIMITS, side=64)

    assert np.allclose(image.getpixel((5, 5)), (255, 0, 0), atol=2)
    assert set(visited) <= {0}
