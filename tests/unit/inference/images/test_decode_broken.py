"""A broken file raises one of our errors, whatever is broken."""

from __future__ import annotations

import struct
import sys
import warnings
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pigeonhole.errors import SampleError, TooLarge, UnreadableImage
from pigeonhole.inference.images.decode import open_image
from pigeonhole.inference.images.limits import ImageLimits
from support.pictures import (
    photo,
    png,
    png_chunk,
    save,
    stripes,
    tiff,
)

LIMITS = ImageLimits(max_pixels=200_000)


def opened(data: bytes) -> Image.Image:
    return open_image(data, LIMITS, side=16)


def test_a_file_above_the_limit_is_refused_before_its_format_is_checked() -> None:
    with pytest.raises(TooLarge, match=r"larger than 0\.0001 MB"):
        open_image(b"<html>" * 100, ImageLimits(max_bytes=100), side=16)


ROCKET = photo("rocket.jpg").resize((120, 90))
SOUND = {kind: save(ROCKET, kind) for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")} | {
    "progressive JPEG": save(ROCKET, "JPEG", progressive=True),
    "CMYK JPEG": save(ROCKET.convert("CMYK"), "JPEG"),
    "LZW TIFF": save(ROCKET, "TIFF", compression="tiff_lzw"),
    "16 bit PNG": png((90, 90), 16, 0, [bytes(row) for row in np.asarray(ROCKET.resize((90, 90)))[:, :, :2].reshape(90, -1)]),
    "palette PNG": save(ROCKET.quantize(16), "PNG"),
}


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("kind", SOUND)
def test_a_file_that_is_cut_off_is_unreadable(kind: str, share: float, capfd: pytest.CaptureFixture[str]) -> None:
    file = SOUND[kind]
    assert opened(file).mode == "RGB"

    with pytest.raises(UnreadableImage, match=r"broken or cut off|no pixels"):
        opened(file[: max(30, int(len(file) * share))])

    assert capfd.readouterr() == ("", ""), "decoders must not print"


@pytest.mark.parametrize(
    "file",
    [
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0\x00\x10JFIF",
        b"\xff\xd8\xff\xd9",
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n" + png_chunk(b"IEND"),
        png((0, 5), 8, 2, []),
        png((5, 5), 8, 5, []),
        b"GIF89a",
        b"GIF89a\x01\x00\x01\x00\x00\x00\x00;",
        b"RIFF\x04\0\0\0WEBP",
        b"II*\0\x08\0\0\0",
        b"II*\0\x08\0\0\0\0\0\0\0\0\0",
        tiff({256: [4], 257: [4]}),
        b"\0\0\0\x1cftypavif\0\0\0\0mif1avif",
        b"BM" + bytes(12) + b"\x28\0\0\0" + bytes(60),
    ],
    ids=str,
)
def test_a_file_that_only_starts_like_an_image_is_unreadable(file: bytes) -> None:
    with pytest.raises(UnreadableImage):
        opened(file)


def test_a_heif_frame_larger_than_its_container_claims_is_broken() -> None:
    """libheif calls this a limit of memory."""
    file = bytearray(save(Image.new("RGB", (300, 300)), "HEIF"))
    at = file.index(b"ispe") + 8
    file[at : at + 8] = struct.pack(">II", 16, 16)

    with pytest.raises(UnreadableImage, match="broken"):
        opened(bytes(file))


def open_or_raise_our_error(file: bytes) -> None:
    with suppress(SampleError):
        image = opened(file)
        assert image.mode == "RGB"
        assert image.width * image.height <= LIMITS.max_pixels


FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
HEADS = [
    b"",
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"RIFF\xff\0\0\0WEBPVP8 ",
    b"II*\0\x08\0\0\0",
    b"MM\0*\0\0\0\x08",
]


@FUZZ
@given(st.sampled_from(HEADS), st.binary(max_size=400))
def test_random_bytes_raise_only_our_errors(head: bytes, rest: bytes) -> None:
    open_or_raise_our_error(head + rest)


@pytest.mark.parametrize("kind", SOUND)
@FUZZ
@given(data=st.data())
def test_cut_and_changed_files_raise_only_our_errors(kind: str, data: st.DataObject) -> None:
    file = bytearray(SOUND[kind])
    # Half of the changes are in the first 300 bytes, which hold the headers.
    at = st.integers(0, len(file) - 1) | st.integers(0, min(300, len(file)) - 1)
    for position, value in data.draw(st.lists(st.tuples(at, st.integers(0, 255)), max_size=8)):
        file[position] = value
    open_or_raise_our_error(bytes(file[: data.draw(st.integers(1, len(file)))] if data.draw(st.booleans()) else file))


def test_pillows_warnings_are_suppressed_even_if_other_filters_are_set_later() -> None:
    short_exif = b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01\x03\0\x01\0\0\0"
    file = save(stripes(), "JPEG")
    file = file[:2] + b"\xff\xe1" + struct.pack(">H", len(short_exif) + 2) + short_exif + file[2:]
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always")
        opened(file)

    assert remarks == []
    assert "PIL.TiffImagePlugin" in sys.modules, "the module that would have warned"
