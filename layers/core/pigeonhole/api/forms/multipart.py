"""Cut a body of multipart/form-data (RFC 7578) into its parts.

The parts are cut out by bytes. The parser of the standard library reads lines, which images don't have.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pigeonhole.errors import InvalidRequest

MAX_PARTS = 1_000
_BOUNDARY = re.compile(r"""boundary\s*=\s*(?:"([^"]{1,70})"|([^\s;,"]{1,70}))""", re.IGNORECASE)
_NAME = re.compile(
    rb"""^content-disposition:[^\r\n]*[;\s]name\s*=\s*(?:"([^"\r\n]*)"|([^\s;"\r\n]+))""", re.IGNORECASE | re.MULTILINE
)
_MEDIA_TYPE = re.compile(rb"^content-type:[ \t]*([!-~](?:[ -~]*[!-~])?)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Part:
    """One part of a form.

    Attributes:
        content: Its bytes.
        media_type: The media type that its head names, None if it names none.
    """

    content: bytes
    media_type: str | None = None


def is_multipart(content_type: str) -> bool:
    """Whether a body with this Content-Type is a form with parts."""
    return content_type.partition(";")[0].strip().lower() == "multipart/form-data"


def parse_parts(data: bytes, content_type: str) -> dict[str, Part]:
    """Return the parts of a decompressed form by name. Of several parts with one name, the last counts.

    Args:
        data: The body.
        content_type: The header, for which `is_multipart` is true.

    Raises:
        InvalidRequest: The body isn't the form that the header announces.
    """
    boundary = _BOUNDARY.search(content_type)
    if not boundary:
        raise InvalidRequest("Content-Type: must name the boundary of the parts, as multipart/form-data; boundary=…")
    # The line break before a boundary belongs to it. The first boundary may begin the body. What stands before the first
    # boundary and after the last one is ignored.
    separator = b"\r\n--" + (boundary[1] or boundary[2]).encode("latin-1", "replace")
    pieces = (b"\r\n" + data).split(separator, MAX_PARTS + 2)[1:]
    parts: dict[str, Part] = {}
    for piece in pieces:
        if piece.startswith(b"--"):
            return parts
        head, blank_line, content = piece.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if not blank_line or not name:
            raise InvalidRequest("the form must have a Content-Disposition with a name in each part")
        media_type = _MEDIA_TYPE.search(head)
        parts[(name[1] or name[2] or b"").decode("utf-8", "replace")] = Part(content, media_type and media_type[1].decode())
    raise InvalidRequest(f"the form must end in its boundary and two hyphens, and have at most {MAX_PARTS} parts")
