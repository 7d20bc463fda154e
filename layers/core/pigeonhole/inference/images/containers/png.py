"""Read the chunks of a PNG. See https://www.w3.org/TR/png-3/, section 5."""

from __future__ import annotations

import re
import zlib

from pigeonhole.errors import UnsupportedMedia
from pigeonhole.inference.images.containers.stripped import PartCount, Stripped
from pigeonhole.inference.images.containers.tiff import exif_orientation

_SIGNATURE_BYTES = 8
_TYPE = re.compile(rb"[A-Za-z]{4}")
_ANCILLARY = 0x20  # the bit of the first letter of a chunk's type: the picture can be shown without this chunk


def strip_png(data: bytes) -> Stripped:
    """Remove all optional chunks except the transparency. As in browsers, an optional chunk whose checksum is wrong is ignored.

    Raises:
        UnreadableImage: The file has too many chunks.
        UnsupportedMedia: The file is made for iOS apps only.
    """
    kept = [data[:_SIGNATURE_BYTES]]
    position, chunks, orientation = _SIGNATURE_BYTES, PartCount(), 1
    while match := _TYPE.match(data, position + 4):
        kind, start = match[0], position
        body = slice(position + 8, position + 8 + int.from_bytes(data[position : position + 4], "big"))
        position = body.stop + 4
        chunks.add()
        if kind == b"CgBI":
            raise UnsupportedMedia("the PNG is in the form of iOS apps (CgBI); save it as a usual PNG")
        if kind[0] & _ANCILLARY:
            if kind == b"eXIf" and _is_intact(data, kind, body):
                orientation = exif_orientation(data[body])
            if kind != b"tRNS" or not _is_intact(data, kind, body):
                continue
        kept.append(data[start:position])
    return Stripped(b"".join((*kept, data[position:])), orientation)


def _is_intact(data: bytes, kind: bytes, body: slice) -> bool:
    return zlib.crc32(data[body], zlib.crc32(kind)).to_bytes(4, "big") == data[body.stop : body.stop + 4]
