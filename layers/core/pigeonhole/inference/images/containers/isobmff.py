"""Read the boxes of AVIF and HEIF. See ISO/IEC 14496-12 and 23008-12."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pigeonhole.errors import TooLarge, UnsupportedMedia
from pigeonhole.inference.images.containers.codec_headers import av1_frame_pixels, hevc_frame_pixels
from pigeonhole.inference.images.containers.stripped import PartCount, Stripped, too_many_parts

# Decoders search these tables from the start for each entry. 64 KB list 3,000 tiles.
MAX_TABLE_BYTES = 65_536
MAX_MOVIE_BYTES = 262_144  # of the tables of a sequence: 10,000 frames
MAX_PADDING = 1.05  # of a frame: HEVC fills it up to whole blocks of at most 64 pixels
MAX_DECODED = 2.5  # all decoded frames together, as a multiple of the limit of pixels: the picture, its alpha, a smaller copy
_HEVC = frozenset({b"hvc1", b"hev1"})
_TIES = frozenset({b"dimg", b"auxl", b"thmb"})
_METADATA = frozenset({b"Exif", b"mime", b"uri "})
_DERIVED = frozenset({b"grid", b"iden", b"iovl", *_METADATA})
_COLOUR_PROFILES = (b"prof", b"rICC")
_UNUSED = b"free"  # the type of a box that readers pass over


class Box(NamedTuple):
    """One box.

    Attributes:
        kind: Its type.
        header: Where it begins.
        start: Where its content begins.
        stop: Where it ends.
    """

    kind: bytes
    header: int
    start: int
    stop: int


def check_heif(data: bytes, max_pixels: int) -> Stripped:
    """Check a HEIF as `check_isobmff` does, and that it holds HEVC.

    Raises:
        UnsupportedMedia: It has another codec, or no still picture.
    """
    file = _File(data)
    kinds = {item.kind for item in _items(file)}
    if not kinds and file.find(b"moov"):
        raise UnsupportedMedia("the HEIF is a sequence without a still picture; send one of its pictures as JPEG or PNG")
    if kinds and kinds.isdisjoint(_HEVC):
        codecs = ", ".join(sorted(kind.decode("latin-1") for kind in kinds - _DERIVED))
        raise UnsupportedMedia(f"the HEIF has another codec than HEVC ({codecs}); save it as JPEG or PNG")
    stripped = check_isobmff(data, max_pixels).data
    # pi-heif copies the colour profile for each picture of the file.
    colours = [box for parent in file.find(b"meta", b"iprp", b"ipco") for box in file.boxes(parent) if box.kind == b"colr"]
    return Stripped(_hide(stripped, [box for box in colours if data[box.start : box.start + 4] in _COLOUR_PROFILES]))


def check_isobmff(data: bytes, max_pixels: int) -> Stripped:
    """Compare the frames, as the codec's own headers have them, with the limit. The container may claim a smaller size.

    The metadata is hidden from the decoder. The container itself names the turn (ISO/IEC 23008-12, annex A).

    Raises:
        UnreadableImage: The file has too many items or boxes.
        TooLarge: One of the frames has more than `max_pixels` pixels, or the primary picture and all that belongs to it have
            several times as many.
    """
    file = _File(data)
    items, sequences = [*_item_pixels(file)], [*_sequence_pixels(file)]
    decoded = _decoded_items(file)
    total = sum(pixels for item, pixels in items if decoded is None or item in decoded) + sum(sequences)
    largest = max((*(pixels for _, pixels in items), *sequences), default=0)
    if largest > MAX_PADDING * max_pixels or total > MAX_DECODED * max_pixels:
        raise TooLarge(f"the image has more than {max_pixels / 1e6:g} megapixels; send a smaller one")
    return Stripped(_without_metadata(file))


class _Item(NamedTuple):
    """One item of a still picture.

    Attributes:
        number: What references call it.
        kind: Its type, such as that of a codec.
        kind_at: Where the type stands in the file.
    """

    number: int
    kind: bytes
    kind_at: int


class _File:
    """The bytes of a file, and its boxes.

    Attributes:
        data: The bytes.
        parts: Counts what was read of them.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.parts = PartCount()

    def boxes(self, parent: Box, after: int = 0) -> Iterator[Box]:
        """Yield the boxes within a box, which begin after this many bytes of its content."""
        start = parent.start + (4 if parent.kind == b"meta" else after)
        while start + 8 <= parent.stop:
            self.parts.add()
            size, kind = struct.unpack_from(">I4s", self.data, start)
            content = start + 8
            if size == 1:
                (size,) = struct.unpack_from(">Q", self.data, content)
                content += 8
            end = min(start + size, parent.stop) if size else parent.stop
            if end < content:
                return
            yield Box(kind, start, content, end)
            start = end

    def find(self, *path: bytes) -> list[Box]:
        """Return the boxes that lie at a path from the top of the file."""
        found = [Box(b"", 0, 0, len(self.data))]
        for kind in path:
            found = [box for parent in found for box in self.boxes(parent) if box.kind == kind]
        return found


def _item_pixels(file: _File) -> Iterator[tuple[int, int]]:
    """Yield each coded item of a still picture, and its pixels."""
    for path in (*((b"meta", kind) for kind in (b"iinf", b"iloc", b"iref")), (b"meta", b"iprp", b"ipma")):
        if sum(box.stop - box.start for box in file.find(*path)) > MAX_TABLE_BYTES:
            raise too_many_parts()
    kinds, configurations = {item.number: item.kind for item in _items(file)}, dict(_item_configurations(file))
    for item, content in _item_contents(file):
        if kinds.get(item) == b"av01":
            yield item, av1_frame_pixels(content, file.parts)
        elif item in configurations:
            yield item, hevc_frame_pixels(configurations[item], content, file.parts)


def _decoded_items(file: _File) -> set[int] | None:
    """Return the primary picture and all that references tie to it in either direction; None if no picture is primary.

    A decoder may read less, such as no thumbnail. A collection has other pictures, which no decoder reads.
    """
    reached: list[int] = []
    for box in file.find(b"meta", b"pitm"):
        reader = _Reader(file.data, box)
        version, _ = reader.read(1), reader.read(3)
        reached.append(reader.read(4 if version else 2))
    if not reached:
        return None
    ties: dict[int, set[int]] = {}
    for item, other in _references(file):
        ties.setdefault(item, set()).add(other)
        ties.setdefault(other, set()).add(item)
    decoded: set[int] = set()
    while reached:
        item = reached.pop()
        if item not in decoded:
            decoded.add(item)
            reached.extend(ties.get(item, ()))
    return decoded


def _without_metadata(file: _File) -> bytes:
    """Return the file, without types that a decoder knows as metadata and without its ties to a picture.

    libheif would refuse the picture for XMP whose compression it doesn't know, and pi-heif crash on a type that is no text.
    """
    data = bytearray(file.data)
    for item in _items(file):
        if item.kind in _METADATA:
            data[item.kind_at : item.kind_at + 4] = _UNUSED
    ties = (box for table in file.find(b"meta", b"iref") for box in file.boxes(table, 4))
    return _hide(data, [box for box in ties if box.kind == b"cdsc"])


def _hide(data: bytes | bytearray, boxes: Iterable[Box]) -> bytes:
    """Return the file with these boxes as boxes that readers pass over."""
    hidden = bytearray(data)
    for box in boxes:
        hidden[box.header + 4 : box.header + 8] = _UNUSED
    return bytes(hidden)


def _references(file: _File) -> Iterator[tuple[int, int]]:
    """Yield each two items of which one is a tile, a smaller copy, or the alpha of the other."""
    for table in file.find(b"meta", b"iref"):
        id_bytes = 4 if _Reader(file.data, table).read(1) else 2
        for box in file.boxes(table, 4):
            if box.kind in _TIES:
                reader = _Reader(file.data, box)
                item = reader.read(id_bytes)
                for _ in range(reader.read(2)):
                    yield item, reader.read(id_bytes)


def _items(file: _File) -> Iterator[_Item]:
    data = file.data
    for table in file.find(b"meta", b"iinf"):
        for box in file.boxes(table, 6 if data[table.start] == 0 else 8):
            version = data[box.start]
            if box.kind == b"infe" and version in (2, 3):
                id_bytes, kind_at = (2, box.start + 8) if version == 2 else (4, box.start + 10)
                item = int.from_bytes(data[box.start + 4 : box.start + 4 + id_bytes], "big")
                yield _Item(item, data[kind_at : kind_at + 4], kind_at)


def _item_configurations(file: _File) -> Iterator[tuple[int, bytes]]:
    """Yield each item of HEVC, and the content of its hvcC box."""
    data = file.data
    properties = [box for parent in file.find(b"meta", b"iprp", b"ipco") for box in file.boxes(parent)]
    for table in file.find(b"meta", b"iprp", b"ipma"):
        reader = _Reader(data, table)
        version, flags = reader.read(1), reader.read(3)
        for _ in range(reader.read(4)):
            item = reader.read(4 if version else 2)
            for _ in range(reader.read(1)):
                index = reader.read(2) & 0x7FFF if flags & 1 else reader.read(1) & 0x7F
                if 0 < index <= len(properties) and properties[index - 1].kind == b"hvcC":
                    yield item, data[properties[index - 1].start : properties[index - 1].stop]


def _item_contents(file: _File) -> Iterator[tuple[int, bytes]]:
    """Yield the data of each item that lies in the file or in the idat box."""
    data = file.data
    idat = next(iter(file.find(b"meta", b"idat")), None)
    budget = 2 * len(data)
    for table in file.find(b"meta", b"iloc"):
        reader = _Reader(data, table)
        version = reader.read(1)
        reader.read(3)
        sizes = reader.read(2)
        offset_bytes, length_bytes, base_bytes, index_bytes = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
        for _ in range(reader.read(4 if version == 2 else 2)):
            item = reader.read(4 if version == 2 else 2)
            in_idat = version > 0 and reader.read(2) & 15 == 1
            reader.read(2)  # the file; 0 is this one
            base = reader.read(base_bytes) + (idat.start if in_idat and idat else 0)
            extents: list[bytes] = []
            for _ in range(reader.read(2)):
                file.parts.add()  # an extent may take no bytes
                reader.read(index_bytes if version else 0)
                start = base + reader.read(offset_bytes)
                extents.append(data[start : start + reader.read(length_bytes)] if length_bytes else data[start:])
                budget -= len(extents[-1])
                if budget < 0:  # extents that share their bytes
                    raise too_many_parts()
            yield item, b"".join(extents)


def _sequence_pixels(file: _File) -> Iterator[int]:
    """Yield the pixels of the first frame of each track of AV1."""
    data = file.data
    if sum(box.stop - box.start for box in file.find(b"moov")) > MAX_MOVIE_BYTES:
        raise too_many_parts()
    for table in file.find(b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        boxes = {box.kind: box.start for box in file.boxes(table)}
        if not {b"stsd", b"stsz"} <= boxes.keys() or data[boxes[b"stsd"] + 12 : boxes[b"stsd"] + 16] != b"av01":
            continue
        (length,) = struct.unpack_from(">I", data, boxes[b"stsz"] + 4)
        length = length or struct.unpack_from(">I", data, boxes[b"stsz"] + 12)[0]
        if b"stco" in boxes:
            (start,) = struct.unpack_from(">I", data, boxes[b"stco"] + 8)
        else:
            (start,) = struct.unpack_from(">Q", data, boxes[b"co64"] + 8)
        yield av1_frame_pixels(data[start : start + length], file.parts)


class _Reader:
    """Reads the big-endian integers of a box one after another. So a count that the box can't hold ends at its end."""

    def __init__(self, data: bytes, box: Box) -> None:
        self._data = data
        self._position, self._stop = box.start, box.stop

    def read(self, count: int) -> int:
        self._position += count
        if self._position > self._stop:
            raise EOFError("the box is too short")
        return int.from_bytes(self._data[self._position - count : self._position], "big")
