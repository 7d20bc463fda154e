"""Read the chunks of a PNG. See https://www.w3.org/TR/png-3/, section 5."""

from __future__ import annotations

import re
import zlib
from binascii import unhexlify
from contextlib import suppress

from pigeonhole.errors import UnsupportedMedia
from pigeonhole.inference.images.containers.stripped import MAX_EXIF_BYTES, PartCount, Stripped
from pigeonhole.inference.images.containers.tiff import exif_orientation
from pigeonhole.inference.images.containers.xmp import xmp_orientation

_SIGNATURE_BYTES = 8
_TYPE = re.compile(rb"[A-Za-z]{4}")
_ANCILLARY = 0x20  # the bit of the first letter of a chunk's type: the picture can be shown without this chunk

# Before PNG had eXIf, programs wrote metadata as text: XMP as its specification says, and ImageMagick all of it in hexadecimal.
_XMP_NAME = b"XML:com.adobe.xmp"
_PROFILE_NAMES = (b"Raw profile type exif", b"Raw profile type APP1", b"Raw profile type xmp")
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_MAX_NAME_BYTES = 80
MAX_TEXT_BYTES = 262_144  # of an unpacked text: EXIF in hexadecimal takes 130 KB


def strip_png(data: bytes) -> Stripped:
    """Remove all optional chunks except the transparency. As in browsers, an optional chunk whose checksum is wrong is ignored.

    Raises:
        UnreadableImage: The file has too many chunks.
        UnsupportedMedia: The file is made for iOS apps only.
    """
    kept = [data[:_SIGNATURE_BYTES]]
    position, chunks, metadata = _SIGNATURE_BYTES, PartCount(), dict[bytes, bytes]()
    while match := _TYPE.match(data, position + 4):
        kind, start = match[0], position
        body = slice(position + 8, position + 8 + int.from_bytes(data[position : position + 4], "big"))
        position = body.stop + 4
        chunks.add()
        if kind == b"CgBI":
            raise UnsupportedMedia("the PNG is in the form of iOS apps (CgBI); save it as a usual PNG")
        if kind[0] & _ANCILLARY:
            name = _metadata_name(data, kind, body)
            if name and name not in metadata and _is_intact(data, kind, body):
                metadata[name] = data[body] if kind == b"eXIf" else _read_text(kind, data[body])
            if kind != b"tRNS" or not _is_intact(data, kind, body):
                continue
        kept.append(data[start:position])
    return Stripped(b"".join((*kept, data[position:])), _orientation(metadata))


def _metadata_name(data: bytes, kind: bytes, body: slice) -> bytes:
    """Return the name of a chunk that may name the orientation, nothing for another chunk."""
    if kind in _TEXTS:
        name = data[body.start : min(body.start + _MAX_NAME_BYTES, body.stop)].partition(b"\0")[0]
        return name if name == _XMP_NAME or name in _PROFILE_NAMES else b""
    return kind if kind == b"eXIf" else b""


def _read_text(kind: bytes, body: bytes) -> bytes:
    """Return at most MAX_TEXT_BYTES of a text, nothing if it is broken."""
    text = body.partition(b"\0")[2]
    is_packed = kind == b"zTXt"
    if kind == b"iTXt":
        is_packed = text[:1] == b"\1"
        text = text[2:].partition(b"\0")[2].partition(b"\0")[2]  # after the language and the name in it
    elif is_packed:
        text = text[1:]
    if not is_packed:
        return text[:MAX_TEXT_BYTES]
    with suppress(zlib.error):
        return zlib.decompressobj().decompress(text, MAX_TEXT_BYTES)
    return b""


def _orientation(metadata: dict[bytes, bytes]) -> int:
    """Return the orientation that one of the chunks names, by their names; 0 if none does."""
    profiles = [_unhex(metadata.get(name, b"")) for name in _PROFILE_NAMES]
    exifs, xmps = [metadata.get(b"eXIf", b""), *profiles], [metadata.get(_XMP_NAME, b""), *profiles]
    return next(filter(None, (*map(exif_orientation, exifs), *map(xmp_orientation, xmps))), 0)


def _unhex(profile: bytes) -> bytes:
    """Return the first bytes of a profile of ImageMagick: an empty line, its name, its length, and hexadecimal digits."""
    digits = b"".join(profile.split(b"\n")[3:])[: 2 * MAX_EXIF_BYTES]
    with suppress(ValueError):
        return unhexlify(digits[: len(digits) // 2 * 2])
    return b""


def _is_intact(data: bytes, kind: bytes, body: slice) -> bool:
    return zlib.crc32(data[body], zlib.crc32(kind)).to_bytes(4, "big") == data[body.stop : body.stop + 4]
