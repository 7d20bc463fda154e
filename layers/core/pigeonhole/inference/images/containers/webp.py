"""Read the chunks of a WebP. See RFC 9649, section 2."""

from __future__ import annotations

from pigeonhole.inference.images.containers.stripped import PartCount, Stripped
from pigeonhole.inference.images.containers.tiff import exif_orientation
from pigeonhole.inference.images.containers.xmp import xmp_orientation

_HEADER_BYTES = 12
_FRAME = b"ANMF"
_PIXELS = (b"VP8 ", b"VP8L", b"ALPH", b"ANIM")
_METADATA_FLAGS = 0x20 | 0x08 | 0x04  # of VP8X: a colour profile, EXIF, XMP


def strip_webp(data: bytes) -> Stripped:
    """Remove the metadata, and all frames of an animation except the first.

    Raises:
        UnreadableImage: The file has too many chunks.
    """
    kept: list[bytes] = []
    position, chunks, has_frame = _HEADER_BYTES, PartCount(), False
    exif_turn = xmp_turn = 0
    end = min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while position + 8 <= end:
        kind, start = data[position : position + 4], position
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        position += 8 + length + length % 2
        chunks.add()
        if kind == b"VP8X":
            kept.append(data[start : start + 8] + bytes([data[start + 8] & ~_METADATA_FLAGS]) + data[start + 9 : position])
        elif kind in _PIXELS or (kind == _FRAME and not has_frame):
            kept.append(data[start:position])
            has_frame = has_frame or kind == _FRAME
        elif kind == b"EXIF":
            exif_turn = exif_orientation(data[start + 8 : start + 8 + length])
        elif kind == b"XMP ":
            xmp_turn = xmp_orientation(data[start + 8 : start + 8 + length])
    body = b"".join((b"WEBP", *kept))
    return Stripped(b"".join((b"RIFF", len(body).to_bytes(4, "little"), body)), exif_turn or xmp_turn)
