"""Read the segments of a JPEG. See ITU-T T.81, annex B."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice, takewhile
from typing import NamedTuple

from pigeonhole.errors import UnsupportedMedia
from pigeonhole.inference.images.containers.stripped import MAX_PARTS, Stripped, too_many_parts
from pigeonhole.inference.images.containers.tiff import exif_orientation
from pigeonhole.inference.images.containers.xmp import JPEG_NAMESPACE, xmp_orientation

MAX_SCANS = 100  # an encoder writes about 10
MAX_SCANNED_BLOCKS = 16_000_000  # blocks of 8 x 8 pixels in all scans: 20 scans of 50 megapixels
MAX_TABLE_BYTES = 65_536  # of quantization tables before the first scan: encoders write at most 520
MAX_FRAME_BYTES = 20  # of the frame header: four channels
MAX_BETWEEN = 65_536  # bytes between the segments before the first scan

# Within a scan, FF00 is data and FFD0 to FFD7 are restarts. FF01 has no segment. All other markers start a segment or end the
# file. Some segments have no length, or a length that Pillow doesn't use when it walks over the header.
_MARKER = re.compile(rb"\xff([\x02-\xcf\xd8-\xfe])")
_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_WITHOUT_LENGTH = frozenset({0xC8, 0xD8, _END_OF_IMAGE, *range(0xF0, 0xFE)})
_APP1 = 0xE1  # EXIF or XMP
_END = b"\xff\xd9"
# Would change each block that a cut-off scan lacks. libjpeg passes over it after a complete scan.
_OTHER_PIXELS = bytes(range(0xFE, 0, -1))
_QUANTIZATION_TABLES = 0xDB
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_HIERARCHICAL = frozenset({0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF})
# JFIF and Adobe say how the channels are coded. All other APPn segments and comments are metadata.
_METADATA = frozenset({*range(0xE0, 0xF0), 0xFE} - {0xE0, 0xEE})


class Segment(NamedTuple):
    """One segment.

    Attributes:
        marker: The second byte of its marker.
        start: Where its marker begins.
        stop: Where its length says that it ends.
    """

    marker: int
    start: int
    stop: int


def strip_jpeg(data: bytes) -> Stripped:
    """Remove the metadata before the first scan, and complete a file that lacks the marker of its end.

    libjpeg fills a scan that is cut off with grey. A progressive JPEG that ends between two scans is whole, if less sharp.

    Raises:
        UnreadableImage: The file has too many segments or scans.
        UnsupportedMedia: Its pixels aren't 8 bits of grey, RGB or CMYK.
    """
    segments = list(islice(_segments(data), MAX_PARTS + 1))
    header = list(takewhile(lambda segment: segment.marker != _SCAN, segments))
    _check_counts(data, segments, header)
    metadata = [segment for segment in header if segment.marker in _METADATA]
    app1 = [data[segment.start + 4 : segment.stop] for segment in metadata if segment.marker == _APP1]
    exif_turn = next((exif_orientation(body) for body in app1 if body.startswith(b"Exif\0\0")), 0)
    xmp_turn = next((xmp_orientation(body) for body in app1 if body.startswith(JPEG_NAMESPACE)), 0)
    starts, stops = [0, *(segment.stop for segment in metadata)], [*(segment.start for segment in metadata), len(data)]
    kept = [data[start:stop] for start, stop in zip(starts, stops, strict=True)]
    stripped, turn = b"".join(kept), exif_turn or xmp_turn
    if segments and segments[-1].marker == _END_OF_IMAGE:
        return Stripped(stripped, turn)
    stripped = stripped.rstrip(b"\xff")  # half of a marker
    return Stripped(stripped + _END, turn, continued=stripped + _OTHER_PIXELS + _END)


def _check_counts(data: bytes, segments: Sequence[Segment], header: Sequence[Segment]) -> None:
    frames = [data[segment.start + 4 : segment.stop] for segment in segments if segment.marker in _FRAMES]
    if len(frames) > 1 or max(map(len, frames), default=0) > MAX_FRAME_BYTES:
        raise ValueError("a JPEG has one frame")
    blocks = sum(_read_blocks(segment.marker, frames[0]) for segment in segments if segment.marker in _FRAMES)
    scans = sum(segment.marker == _SCAN for segment in segments)
    table_bytes = sum(segment.stop - segment.start for segment in header if segment.marker == _QUANTIZATION_TABLES)
    if len(segments) > MAX_PARTS or scans > MAX_SCANS or scans * blocks > MAX_SCANNED_BLOCKS or table_bytes > MAX_TABLE_BYTES:
        raise too_many_parts()


def _read_blocks(marker: int, frame: bytes) -> int:
    """Return the number of blocks of one channel at full resolution.

    Raises:
        UnsupportedMedia: Pillow doesn't decode frames of this kind.
    """
    if len(frame) < 6:
        return 0
    if marker in _HIERARCHICAL:
        raise UnsupportedMedia("the JPEG is hierarchical; save it as a usual JPEG or PNG")
    if frame[0] != 8:
        raise UnsupportedMedia(f"the JPEG has {frame[0]} bits per channel; save it with 8 bits")
    if frame[5] not in (1, 3, 4):
        raise UnsupportedMedia(f"the JPEG has {frame[5]} channels; save it as grey or RGB")
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    return width * height // 64


def _segments(data: bytes) -> Iterator[Segment]:
    """Yield each segment, as a decoder finds them."""
    position, between, has_scan = 2, 0, False
    while True:
        match = _MARKER.search(data, position)
        if not has_scan:
            between += max(0, (match.start() if match else len(data)) - position)
            if between > MAX_BETWEEN:
                raise too_many_parts()
        if not match:
            return
        marker = match[1][0]
        length = 0 if marker in _WITHOUT_LENGTH else int.from_bytes(data[match.end() : match.end() + 2], "big")
        position = match.end() + length
        yield Segment(marker, match.start(), position)
        if marker == _END_OF_IMAGE and has_scan:
            return
        has_scan = has_scan or marker == _SCAN
