"""Refuse small files that are expensive to decode, before they are decoded. The pixel count of the header doesn't show them.

    bomb                        effect on a decoder                                         limit
    ──────────────────────────  ──────────────────────────────────────────────────────────  ─────────────────────────────
    JPEG of many scans          each walks all blocks again: 36 bytes a scan, 20 MB, hours  100 (an encoder writes about 10)
    JPEG, PNG of many segments  Pillow stores each in a list: gigabytes, minutes            10,000
    JPEG of much between them   Pillow steps over it byte by byte: 20 MB, half a minute     64 KB before the first scan
    TIFF of one huge tile       the tile is unpacked whole, however small the image         the limit of pixels

Pillow limits the rest: compressed text and colour profiles in PNG, tables of metadata whose entries share their bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from PIL import Image, TiffImagePlugin

from pigeonhole.errors import TooLarge, UnreadableImage

MAX_SCANS = 100
MAX_SEGMENTS = 10_000
MAX_BETWEEN = 65_536  # bytes

# Within a scan, FF00 is data and FFD0 to FFD7 are restarts. FF01 has no segment. All other markers start a segment or end the
# file. Some segments have no length, or a length that Pillow doesn't use when it walks over the header.
_JPEG_MARKER = re.compile(rb"\xff([\x02-\xcf\xd8-\xfe])")
_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_WITHOUT_LENGTH = frozenset({0xC8, 0xD8, _END_OF_IMAGE, *range(0xF0, 0xFE)})


def check_segments(data: bytes, file_format: str) -> None:
    """Count the segments of a JPEG or PNG, as a decoder finds them. Files of another format pass.

    Raises:
        UnreadableImage: The file has too many segments.
    """
    walks = {"JPEG": _jpeg_segments, "PNG": _png_segments}
    if file_format not in walks:
        return
    scans = 0
    for count, segment in enumerate(walks[file_format](data), start=1):
        scans += file_format == "JPEG" and segment == _SCAN
        if count > MAX_SEGMENTS or scans > MAX_SCANS:
            raise _too_many_parts()


def check_tile(image: Image.Image, max_pixels: int) -> None:
    """Check the tile size of a TIFF that is opened but not yet decoded. Files of another format pass.

    Raises:
        TooLarge: A tile has more than `max_pixels` pixels.
    """
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        width, height = (image.tag_v2.get(tag, 0) for tag in (TiffImagePlugin.TILEWIDTH, TiffImagePlugin.TILELENGTH))
        if width * height > max_pixels:
            raise TooLarge("the TIFF's tiles are too large; save it with tiles of 256 x 256 pixels")


def _too_many_parts() -> UnreadableImage:
    return UnreadableImage("the file has too many parts for an image; save it again with an image editor")


def _jpeg_segments(data: bytes) -> Iterator[int]:
    """Yield the marker of each segment: its second byte, 0xDA for a scan."""
    position, between, has_scan = 2, 0, False
    while True:
        match = _JPEG_MARKER.search(data, position)
        if not has_scan:
            between += max(0, (match.start() if match else len(data)) - position)
            if between > MAX_BETWEEN:
                raise _too_many_parts()
        if not match:
            return
        marker = match[1][0]
        if marker == _END_OF_IMAGE and has_scan:
            return
        yield marker
        has_scan = has_scan or marker == _SCAN
        length = 0 if marker in _WITHOUT_LENGTH else int.from_bytes(data[match.end() : match.end() + 2], "big")
        position = match.end() + length


def _png_segments(data: bytes) -> Iterator[int]:
    """Yield the length of each chunk, in bytes."""
    position = 8
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        yield length
        position += 12 + length
