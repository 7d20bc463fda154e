"""Read the orientation that XMP names. See the XMP Specification, part 2, section 3.2."""

from __future__ import annotations

import re

JPEG_NAMESPACE = b"http://ns.adobe.com/xap/1.0/\0"
# As an attribute or as an element. XMP is a caller's bytes, and no XML parser is needed for one digit.
_ORIENTATION = re.compile(rb"tiff:Orientation(?:\s*=\s*[\"']|>)\s*([1-8])")


def xmp_orientation(xmp: bytes) -> int:
    """Return the orientation that XMP names, 1 to 8; 0 if it names none."""
    match = _ORIENTATION.search(xmp)
    return int(match[1]) if match else 0
