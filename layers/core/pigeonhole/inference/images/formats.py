"""Identify a file by its first bytes. A Content-Type, a filename and the media type of a data: URL may be wrong."""

from __future__ import annotations

import re

from pigeonhole.errors import UnreadableImage, UnsupportedMedia

ACCEPTED = "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF and HEIC"
HEAD_BYTES = 256

# Pillow's name of each accepted format, and how a file of it starts.
_FORMATS: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("JPEG", re.compile(rb"\xff\xd8\xff")),
    ("PNG", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("WEBP", re.compile(rb"RIFF.{4}WEBP", re.DOTALL)),
    ("GIF", re.compile(rb"GIF8[79]a")),
    # BM and a known header size. Without the size, a text could start with BM.
    ("BMP", re.compile(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL)),
    ("TIFF", re.compile(rb"II[\x2a\x2b]\0|MM\0[\x2a\x2b]")),
    ("AVIF", re.compile(rb".{4}ftyp(?:avi[fs]|(?:mif1|msf1).{0,64}avi[fs])", re.DOTALL)),
    ("HEIF", re.compile(rb".{4}ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL)),
)
# What callers send by mistake, so that the error can name it. The first match counts.
_OTHER_FORMATS: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("an HTML page", re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|body)", re.IGNORECASE)),
    ("SVG or other XML", re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:\?xml|svg|!doctype|!--)", re.IGNORECASE)),
    ("a PDF", re.compile(rb"%PDF-")),
    ("a video", re.compile(rb".{4}ftyp|\x1a\x45\xdf\xa3|RIFF.{4}AVI ", re.DOTALL)),
    ("JPEG XL", re.compile(rb"\xff\x0a|\0\0\0\x0cJXL ")),
    ("JPEG 2000", re.compile(rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  ")),
    ("an icon file", re.compile(rb"\0\0[\x01\x02]\0")),
    ("a Photoshop file", re.compile(rb"8BPS")),
    ("an archive", re.compile(rb"PK\x03\x04|\x1f\x8b|BZh|7z\xbc\xaf")),
    ("text", re.compile(rb"[\t\n\r\x20-\x7e]+\Z")),
)


def identify(data: bytes) -> str:
    """Return Pillow's name of the format of a file.

    Raises:
        UnreadableImage: The file is empty.
        UnsupportedMedia: The file has another format.
    """
    if not data:
        raise UnreadableImage("the image is empty; send its bytes")
    head = data[:HEAD_BYTES]
    for name, start in _FORMATS:
        if start.match(head):
            return name
    other = next((name for name, start in _OTHER_FORMATS if start.match(head)), "of an unknown kind")
    raise UnsupportedMedia(f"the file is {other}, not an accepted image; send {ACCEPTED}")
