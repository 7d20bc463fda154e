"""Read the first directory of a TIFF. EXIF has the same form.

See TIFF Revision 6.0, section 2, and the BigTIFF design of https://libtiff.gitlab.io/libtiff/specification/bigtiff.html.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from pigeonhole.errors import TooLarge, UnsupportedMedia
from pigeonhole.inference.images.containers.stripped import MAX_EXIF_BYTES, Stripped, too_many_parts
from pigeonhole.inference.images.containers.xmp import xmp_orientation

MAX_TAGS = 1_000
MAX_STRIPS = 50_000  # strips or tiles: 50 megapixels in strips of one row and three planes have 21,000
MAX_VALUES = 3 * 65_536  # of another tag: the largest colour map

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_INTEGER_CODES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_BYTE_TYPES = (1, 2, 6, 7)


class Tag(IntEnum):
    """The tags that this module reads."""

    WIDTH = 256
    HEIGHT = 257
    BITS = 258
    COMPRESSION = 259
    STRIP_OFFSETS = 273
    ORIENTATION = 274
    SAMPLES = 277
    ROWS_PER_STRIP = 278
    STRIP_BYTES = 279
    PLANES = 284
    TILE_WIDTH = 322
    TILE_HEIGHT = 323
    TILE_OFFSETS = 324
    TILE_BYTES = 325
    SAMPLE_FORMAT = 339
    XMP = 700


_STRIP_TAGS = (Tag.STRIP_OFFSETS, Tag.STRIP_BYTES, Tag.TILE_OFFSETS, Tag.TILE_BYTES)
# Beside these tags: photometric interpretation, fill order, options of fax, predictor, colour map, extra samples, tables of
# JPEG in both ways that TIFF has, and YCbCr. All others are metadata, or name further directories.
_DECODER_TAGS = frozenset({*Tag, 262, 266, 292, 293, 317, 320, 338, 347, *range(512, 522), *range(529, 533)} - {Tag.XMP})

# What Pillow decodes: none, fax, LZW, JPEG in both ways, deflate in both ways, PackBits, ThunderScan, LZMA, Zstandard, WebP.
_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 32_771, 32_773, 32_809, 32_946, 34_925, 50_000, 50_001})
_UNSIGNED, _UNDEFINED = 1, 4


class Entry(NamedTuple):
    """One tag of a directory.

    Attributes:
        kind: The type of its values.
        length: The number of its values.
        raw: The bytes of the entry, after which follow those of the next.
    """

    kind: int
    length: int
    raw: bytes


@dataclass(frozen=True)
class Directory:
    """The first directory of a file.

    Attributes:
        data: The bytes of the file.
        order: "<" for little-endian, ">" for big-endian.
        is_big: Whether it is a BigTIFF, whose counts and offsets have 8 bytes.
        start: Where the directory begins.
        entries: The entries by tag. The first of a tag counts.
    """

    data: bytes
    order: str
    is_big: bool
    start: int
    entries: dict[int, Entry]

    def integers(self, tag: int, *, most: int = 8) -> tuple[int, ...]:
        """Return the first values of a tag, none if it is absent or has no integers."""
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in _INTEGER_CODES:
            return ()
        count = min(entry.length, most)
        return struct.unpack_from(f"{self.order}{count}{_INTEGER_CODES[entry.kind]}", self._value(entry, count))

    def text(self, tag: int) -> bytes:
        """Return the bytes of a tag, none if it is absent or has no bytes."""
        entry = self.entries.get(tag)
        return self._value(entry, entry.length) if entry and entry.kind in _BYTE_TYPES else b""

    def _value(self, entry: Entry, count: int) -> bytes:
        """Return the bytes of the first values of an entry."""
        inline = 8 if self.is_big else 4
        value = entry.raw[-inline:]
        if entry.length * _TYPE_BYTES[entry.kind] <= inline:
            return value
        (at,) = struct.unpack(self.order + ("Q" if self.is_big else "I"), value)
        return self.data[at : at + count * _TYPE_BYTES[entry.kind]]

    def integer(self, tag: int, default: int) -> int:
        """Return the first value of a tag, `default` if it has none."""
        values = self.integers(tag, most=1)
        return values[0] if values else default


def read_directory(data: bytes) -> Directory:
    """Read the first directory of a TIFF.

    Raises:
        UnreadableImage: It has too many tags.
    """
    order = {b"II": "<", b"MM": ">"}[data[:2]]
    is_big = struct.unpack_from(order + "H", data, 2)[0] == 43
    (start,) = struct.unpack_from(order + ("Q" if is_big else "I"), data, 8 if is_big else 4)
    (count,) = struct.unpack_from(order + ("Q" if is_big else "H"), data, start)
    if count > MAX_TAGS:
        raise too_many_parts()
    size, form, at = (20, order + "HHQ", start + 8) if is_big else (12, order + "HHI", start + 2)
    entries: dict[int, Entry] = {}
    for position in range(at, at + count * size, size):
        tag, kind, values = struct.unpack_from(form, data, position)
        if kind in _TYPE_BYTES:
            entries.setdefault(tag, Entry(kind, values, data[position : position + size]))
    return Directory(data, order, is_big, start, entries)


def exif_orientation(exif: bytes) -> int:
    """Return the orientation that EXIF names, 1 to 8; 0 if it names none.

    It is in the first directory, which encoders write first. So what follows MAX_EXIF_BYTES, such as a preview, isn't read.
    """
    exif = exif.removeprefix(b"Exif\0\0")[:MAX_EXIF_BYTES]
    try:
        return _orientation(read_directory(exif))
    except Exception:  # EXIF is a caller's bytes, and a broken EXIF doesn't affect the pixels
        return 0


def _orientation(directory: Directory) -> int:
    orientation = directory.integer(Tag.ORIENTATION, 0)
    return orientation if orientation in range(1, 9) else 0


def strip_tiff(data: bytes, max_pixels: int) -> Stripped:
    """Reduce a TIFF to the first image and the tags that affect its pixels. Pillow applies the tag of the orientation.

    Raises:
        UnreadableImage: It has too many tags, strips, tiles or values.
        TooLarge: Its tiles have more than `max_pixels` pixels, the most of them outside the image.
        UnsupportedMedia: Its pixels aren't unsigned integers of at most 16 bits, or compressed in a rare way.
    """
    directory = read_directory(data)
    entries = {tag: entry for tag, entry in directory.entries.items() if tag in _DECODER_TAGS}
    for tag, entry in entries.items():
        most = MAX_STRIPS if tag in _STRIP_TAGS else MAX_VALUES
        if entry.length > most and (tag in _STRIP_TAGS or entry.kind not in _BYTE_TYPES):
            raise too_many_parts()
    _check_kind(directory)
    _check_strips(directory, max_pixels)
    xmp_turn = 0 if _orientation(directory) else xmp_orientation(directory.text(Tag.XMP))
    return Stripped(_replace_entries(directory, entries), xmp_turn)


def _check_kind(directory: Directory) -> None:
    if not {_UNSIGNED, _UNDEFINED}.issuperset(directory.integers(Tag.SAMPLE_FORMAT)):
        raise UnsupportedMedia("the TIFF has signed or floating point numbers per channel; save it with 8 or 16 bits")
    if max(directory.integers(Tag.BITS), default=1) > 16:
        raise UnsupportedMedia("the TIFF has more than 16 bits per channel; save it with 8 or 16 bits")
    compression = directory.integer(Tag.COMPRESSION, 1)
    if compression not in _COMPRESSIONS:
        raise UnsupportedMedia(f"the TIFF's compression {compression} isn't supported; save it with LZW or without")


def _check_strips(directory: Directory, max_pixels: int) -> None:
    """Check that all strips or tiles together cover the image once, and little more."""
    width, height = directory.integer(Tag.WIDTH, 0), directory.integer(Tag.HEIGHT, 0)
    is_tiled = Tag.STRIP_OFFSETS not in directory.entries
    strips = directory.entries[Tag.TILE_OFFSETS if is_tiled else Tag.STRIP_OFFSETS]
    across = (directory.integer(Tag.TILE_WIDTH, 0) if is_tiled else 0) or width or 1
    down = directory.integer(Tag.TILE_HEIGHT if is_tiled else Tag.ROWS_PER_STRIP, 0) or height or 1
    columns, rows = -(-width // across), -(-height // down)
    covered = columns * across * rows * (down if is_tiled else min(down, height))
    if covered > max_pixels and covered > 2 * width * height:
        raise TooLarge("the TIFF's tiles are too large; save it with tiles of 256 x 256 pixels")
    planes = directory.integer(Tag.SAMPLES, 1) if directory.integer(Tag.PLANES, 1) == 2 else 1
    if strips.length > max(1, columns * rows * planes):
        raise too_many_parts()


def _replace_entries(directory: Directory, entries: dict[int, Entry]) -> bytes:
    """Return the file with these entries only, and without further directories."""
    count, end = ("Q", bytes(8)) if directory.is_big else ("H", bytes(4))
    table = struct.pack(directory.order + count, len(entries)) + b"".join(entry.raw for entry in entries.values()) + end
    return b"".join((directory.data[: directory.start], table, directory.data[directory.start + len(table) :]))
