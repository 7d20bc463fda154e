"""The format of a file is identified by its first bytes."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pigeonhole.errors import UnreadableImage, UnsupportedMedia
from pigeonhole.inference.images.formats import ACCEPTED, identify
from support.pictures import save, stripes

FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF"]


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_is_identified_by_its_bytes(kind: str) -> None:
    assert identify(save(stripes(), kind)) == kind


@pytest.mark.parametrize("head", [b"II\x2b\0", b"MM\0\x2b", b"MM\0\x2a"])
def test_both_byte_orders_of_tiff_and_bigtiff_are_identified(head: bytes) -> None:
    assert identify(head + bytes(20)) == "TIFF"


@pytest.mark.parametrize("brands", [b"avif\0\0\0\0mif1", b"avis\0\0\0\0avifmif1", b"mif1\0\0\0\0mif1avifmiaf"])
def test_avif_is_identified_by_each_of_its_brands(brands: bytes) -> None:
    assert identify(b"\0\0\0\x1cftyp" + brands) == "AVIF"


@pytest.mark.parametrize("brands", [b"heic\0\0\0\0mif1heic", b"mif1\0\0\0\0mif1heic", b"heix\0\0\0\0", b"hevc\0\0\0\0"])
def test_heif_is_identified_by_each_of_its_brands(brands: bytes) -> None:
    assert identify(b"\0\0\0\x18ftyp" + brands) == "HEIF"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"<!DOCTYPE html><html><body>404</body></html>", "HTML page"),
        (b"\xef\xbb\xbf \n<HTML lang='en'>", "HTML page"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<?xml version='1.0'?><svg/>", "SVG"),
        (b"<!-- made with love --><svg/>", "SVG"),
        (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
        (b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2", "video"),
        (b"\x1a\x45\xdf\xa3\x9fB\x86", "video"),
        (b"\xff\x0a\xfa\x1f", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\0\0\x01\0\x01\0\x10\x10", "icon"),
        (b"8BPS\0\x01", "Photoshop"),
        (b"PK\x03\x04\x14\0", "archive"),
        (b"\x1f\x8b\x08\0", "archive"),
        (b'{"error": "not found"}', "text"),
        (b"BMW builds cars. BM is how a bitmap begins.", "text"),
        (b"GIF89b", "text"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "unknown"),
        (b"\x7fELF\x02\x01\x01", "unknown"),
        (b"\0" * 100, "unknown"),
        (b"\xff\xd8", "unknown"),
        (b"#define x_width 16\nstatic char x_bits[] = {", "text"),
        (b"P6\n2 2\n255\n", "text"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "text"),
    ],
)
def test_another_format_is_refused_with_its_name_and_the_accepted_formats(data: bytes, name: str) -> None:
    with pytest.raises(UnsupportedMedia, match=name) as refused:
        identify(data)

    assert ACCEPTED in refused.value.message


def test_an_empty_file_is_no_image() -> None:
    with pytest.raises(UnreadableImage, match="empty"):
        identify(b"")


@given(st.binary())
def test_any_bytes_give_a_format_or_one_of_our_errors(data: bytes) -> None:
    with suppress(UnreadableImage, UnsupportedMedia):
        assert identify(data) in FORMATS
