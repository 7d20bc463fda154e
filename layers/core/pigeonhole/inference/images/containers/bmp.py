"""Read the header of a BMP. See Microsoft's pages on BITMAPINFOHEADER and BITMAPV5HEADER."""

from __future__ import annotations

import struct

from pigeonhole.errors import UnsupportedMedia
from pigeonhole.inference.images.containers.stripped import Stripped

_CORE_HEADER_BYTES = 12  # of OS/2, which has no compression
_RAW, _BIT_FIELDS = 0, 3
_KINDS = {1: "RLE", 2: "RLE", 4: "JPEG", 5: "PNG"}


def check_bmp(data: bytes) -> Stripped:
    """Check that the pixels of a BMP aren't compressed. Pillow unpacks RLE in Python, a second for three megapixels.

    Raises:
        UnsupportedMedia: The pixels are compressed, or have an unusual number of bits.
    """
    (header_bytes,) = struct.unpack_from("<I", data, 14)
    is_core = header_bytes == _CORE_HEADER_BYTES
    (bits,) = struct.unpack_from("<H", data, 24 if is_core else 28)
    compression = _RAW if is_core else struct.unpack_from("<I", data, 30)[0]
    if compression not in (_RAW, _BIT_FIELDS):
        kind = _KINDS.get(compression, f"kind {compression}")
        raise UnsupportedMedia(f"the BMP is compressed ({kind}), which isn't supported; save it as PNG")
    if not bits:
        raise ValueError("a pixel has no bits")
    if bits not in (1, 4, 8, 16, 24, 32):
        raise UnsupportedMedia(f"the BMP has {bits} bits per pixel; save it with 8 or 24 bits")
    return Stripped(data)
