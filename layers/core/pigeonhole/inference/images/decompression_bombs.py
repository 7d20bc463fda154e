"""Small files that are dear to open, refused before they are: what a header's pixel count doesn't show.

    bomb                        what it does to a decoder                                   limit
    ──────────────────────────  ──────────────────────────────────────────────────────────  ─────────────────────────────
    JPEG of many scans          each walks all blocks again: 36 bytes a scan, 20 MB, hours  100 (an encoder writes about 10)
    JPEG, PNG of many segments  Pillow keeps each in a list: gigabytes, minutes             10,000
    JPEG of much between them   Pillow steps over it byte by byte: 20 MB, half a minute     64 KB before the first scan
    TIFF of one huge tile       the tile is unpacked whole, however small the picture       the limit of pixels

Pillow bounds the rest: compressed text and colour profiles in PNG, tables of metadata whose entries share their bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from PIL import Image, TiffImagePlugin

from pigeonhole.errors import TooLarge, UnreadableImage

MAX_SCANS = 100
MAX_SEGMENTS = 10_000
MAX_BETWEEN = 65_536

# Within a scan FF00 is data and FFD0 to FFD7 a restart; FF01 stands alone. All other markers begin a segment, or end the file;
# some have no length, or none that Pillow's own walk over the header would skip by.
_JPEG_MARKER = re.compile(rb"\xff([\x02-\xcf\xd8-\xfe])")
_SCAN, _EOI = 0xDA, 0xD9
_WITHOUT_LENGTH = frozenset({0xC8, 0xD8, _EOI, *range(0xF0, 0xFE)})


def check_segments(data: bytes, kind: str) -> None:
    """Walk over the segments of a JPEG or PNG, as a decoder will, until there are too many. Other kinds pass.

    Raises UnreadableImage.
    """
    walks = {"JPEG": _jpeg_segments, "PNG": _png_segments}
    if kind not in walks:
        return
    scans = 0
    for count, segment in enumerate(walks[kind](data), start=1):
        scans += kind == "JPEG" and segment == _SCAN
        if count > MAX_SEGMENTS or scans > MAX_SCANS:
            raise _odd()


def check_tile(image: Image.Image, max_pixels: int) -> None:
    """Hold the tiles of an opened, not yet decoded TIFF to the limit of pixels. Other kinds pass.

    Raises TooLarge.
    """
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        width, height = (image.tag_v2.get(tag, 0) for tag in (TiffImagePlugin.TILEWIDTH, TiffImagePlugin.TILELENGTH))
        if width * height > max_pixels:
            raise TooLarge("the TIFF's tiles are too large; save it with tiles of 256 x 256 pixels")


def _odd() -> UnreadableImage:
    return UnreadableImage("the file consists of too many parts to be a picture; save it anew with an image editor")


def _jpeg_segments(data: bytes) -> Iterator[int]:
    """The marker of each segment: the second byte, 0xDA for a scan."""
    position, between, scanned = 2, 0, False
    while True:
        found = _JPEG_MARKER.search(data, position)
        if not scanned:
            between += max(0, (found.start() if found else len(data)) - position)
            if between > MAX_BETWEEN:
                raise _odd()
        if not found:
            return
        marker = found[1][0]
        if marker == _EOI and scanned:
            return
        yield marker
        scanned = scanned or marker == _SCAN
        length = 0 if marker in _WITHOUT_LENGTH else int.from_bytes(data[found.end() : found.end() + 2], "big")
        position = found.end() + length


def _png_segments(data: bytes) -> Iterator[int]:
    """The length of each chunk, in bytes."""
    position = 8
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        yield length
        position += 12 + length
