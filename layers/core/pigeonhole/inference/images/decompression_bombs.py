"""Refuse small files that are expensive to decode, before they are decoded. The pixel count of the header doesn't show them.

A decoder gets only what affects the pixels of the first image. Metadata and further images are removed, the rest is bounded.

    bomb                             effect on a decoder                                         limit
    ───────────────────────────────  ──────────────────────────────────────────────────────────  ─────────────────────────────
    JPEG of many scans               each walks all blocks again: 36 bytes a scan, 20 MB, hours  100, 20 of 50 megapixels
    JPEG, PNG, WebP of many parts    Pillow stores each in a list: gigabytes, minutes            10,000
    JPEG of much between them        Pillow steps over it byte by byte: 20 MB, half a minute     64 KB before the first scan
    JPEG of many tables              Pillow reads each into a list, and copies the rest          64 KB before the first scan
    PNG of compressed metadata       each chunk unpacks to a megabyte: 10 MB, half a minute      removed, 256 KB of four texts
    GIF of many comments             Pillow joins them: 19 MB, 0.7 GB                            10,000 blocks, removed
    TIFF of one huge tile            the tile is unpacked whole, however small the image         the limit of pixels
    TIFF of many strips              a Python object for each: 20 MB, 50 s, 1.4 GB               50,000, each once
    TIFF of many tags or values      a Python object for each                                    1,000; a colour map's 196,608
    EXIF of many values              a Python object for each                                    64 KB, only the orientation
    BMP with RLE                     Pillow unpacks it in Python: 124 bytes, 14 s                refused
    AVIF, HEIF of a larger frame     the codec makes the pixels that its own header states       the limit of pixels
    AVIF, HEIF of many items         libavif searches all items for each                         64 KB per table
    HEIF of a profile                pi-heif copies it for each picture: 8 MB, gigabytes         removed
    AVIF, HEIF of empty extents      65,535 per item of 10 bytes: minutes                        10,000
"""

from __future__ import annotations

from collections.abc import Callable

from pigeonhole.inference.images.containers.bmp import check_bmp
from pigeonhole.inference.images.containers.gif import strip_gif
from pigeonhole.inference.images.containers.isobmff import check_heif, check_isobmff
from pigeonhole.inference.images.containers.jpeg import strip_jpeg
from pigeonhole.inference.images.containers.png import strip_png
from pigeonhole.inference.images.containers.stripped import Stripped
from pigeonhole.inference.images.containers.tiff import strip_tiff
from pigeonhole.inference.images.containers.webp import strip_webp

_READERS: dict[str, Callable[[bytes, int], Stripped]] = {
    "JPEG": lambda data, max_pixels: strip_jpeg(data),
    "PNG": lambda data, max_pixels: strip_png(data),
    "WEBP": lambda data, max_pixels: strip_webp(data),
    "GIF": lambda data, max_pixels: strip_gif(data),
    "BMP": lambda data, max_pixels: check_bmp(data),
    "TIFF": strip_tiff,
    "AVIF": check_isobmff,
    "HEIF": check_heif,
}


def strip(data: bytes, file_format: str, max_pixels: int) -> Stripped:
    """Reduce a file to what its decoder needs.

    Args:
        data: The bytes of the file.
        file_format: Pillow's name of its format.
        max_pixels: The limit of the pixels of the image.

    Raises:
        UnreadableImage: The file has too many parts.
        TooLarge: The decoder would make more than `max_pixels` pixels.
        UnsupportedMedia: The file has a variant of the format that isn't accepted.
        Exception: The file is broken.
    """
    return _READERS[file_format](data, max_pixels)
