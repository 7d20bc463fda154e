"""What a file is, by its first bytes alone: a Content-Type, a file's name and a data: URL's media type are anybody's claim."""

from __future__ import annotations

import re

from pigeonhole.errors import UnreadableImage, UnsupportedMedia

ACCEPTED = "JPEG, PNG, WebP, GIF, BMP, TIFF and AVIF"
HEAD_BYTES = 256

# Pillow's name of the format, how a file of it begins.
_KINDS: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("JPEG", re.compile(rb"\xff\xd8\xff")),
    ("PNG", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("WEBP", re.compile(rb"RIFF.{4}WEBP", re.DOTALL)),
    ("GIF", re.compile(rb"GIF8[79]a")),
    (
        "BMP",
        re.compile(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL),
    ),  # BM and a known header size: BM alone is text
    ("TIFF", re.compile(rb"II[\x2a\x2b]\0|MM\0[\x2a\x2b]")),
    ("AVIF", re.compile(rb".{4}ftyp(?:avi[fs]|(?:mif1|msf1).{0,64}avi[fs])", re.DOTALL)),
)
# What callers send by mistake, so that the answer can name it; the first that fits.
_OTHERS: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("an HTML page", re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|body)", re.IGNORECASE)),
    ("SVG or other XML", re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:\?xml|svg|!doctype|!--)", re.IGNORECASE)),
    ("a PDF", re.compile(rb"%PDF-")),
    ("HEIC", re.compile(rb".{4}ftyp(?:hei|hev|mif1|msf1)", re.DOTALL)),
    ("a video", re.compile(rb".{4}ftyp|\x1a\x45\xdf\xa3|RIFF.{4}AVI ", re.DOTALL)),
    ("JPEG XL", re.compile(rb"\xff\x0a|\0\0\0\x0cJXL ")),
    ("JPEG 2000", re.compile(rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  ")),
    ("an icon file", re.compile(rb"\0\0[\x01\x02]\0")),
    ("a Photoshop file", re.compile(rb"8BPS")),
    ("an archive", re.compile(rb"PK\x03\x04|\x1f\x8b|BZh|7z\xbc\xaf")),
    ("text", re.compile(rb"[\t\n\r\x20-\x7e]+\Z")),
)


def identify(data: bytes) -> str:
    """Name the format, as Pillow calls it.

    Raises UnreadableImage (nothing there) or UnsupportedMedia (another kind of file).
    """
    if not data:
        raise UnreadableImage("the image is empty; send its bytes")
    head = data[:HEAD_BYTES]
    for kind, begins in _KINDS:
        if begins.match(head):
            return kind
    what = next((name for name, begins in _OTHERS if begins.match(head)), "of an unknown kind")
    raise UnsupportedMedia(f"the file is {what}, not an image that is taken; send {ACCEPTED}")
