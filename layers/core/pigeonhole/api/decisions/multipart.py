"""Parse the body of `POST /v1/systemone`: JSON, or multipart/form-data (RFC 7578) whose part `request` is the JSON.

The parts are cut out by bytes. The parser of the standard library reads lines, which images don't have.
"""

from __future__ import annotations

import re

from pigeonhole.api.decisions.form import Form
from pigeonhole.api.request_body import parse_json
from pigeonhole.errors import InvalidRequest

REQUEST_PART = "request"
MAX_PARTS = 1_000
_BOUNDARY = re.compile(r"""boundary\s*=\s*(?:"([^"]{1,70})"|([^\s;,"]{1,70}))""", re.IGNORECASE)
_NAME = re.compile(
    rb"""^content-disposition:[^\r\n]*[;\s]name\s*=\s*(?:"([^"\r\n]*)"|([^\s;"\r\n]+))""", re.IGNORECASE | re.MULTILINE
)


def parse_form(data: bytes, content_type: str) -> Form:
    """Parse a decompressed body.

    Args:
        data: The body.
        content_type: The header, empty if the request has none.

    Raises:
        InvalidRequest: The body is neither JSON nor a form with a part of that name.
        UnsupportedEncoding: The charset of the JSON isn't UTF-8.
    """
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        return Form(parse_json(data, content_type))
    boundary = _BOUNDARY.search(content_type)
    if not boundary:
        raise InvalidRequest("Content-Type: must name the boundary of the parts, as multipart/form-data; boundary=…")
    files = _split(data, (boundary[1] or boundary[2]).encode("latin-1", "replace"))
    if REQUEST_PART not in files:
        raise InvalidRequest(f"the form must have a part `{REQUEST_PART}` with the JSON of the request")
    return Form(parse_json(files.pop(REQUEST_PART), ""), files)


def _split(data: bytes, boundary: bytes) -> dict[str, bytes]:
    """Cut a form into its parts by name. What stands before the first boundary and after the last one is ignored."""
    # The line break before a boundary belongs to it. The first boundary may begin the body.
    pieces = (b"\r\n" + data).split(b"\r\n--" + boundary, MAX_PARTS + 2)[1:]
    parts: dict[str, bytes] = {}
    for piece in pieces:
        if piece.startswith(b"--"):
            return parts
        head, blank_line, content = piece.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if not blank_line or not name:
            raise InvalidRequest("the form must have a Content-Disposition with a name in each part")
        parts[(name[1] or name[2] or b"").decode("utf-8", "replace")] = content
    raise InvalidRequest(f"the form must end in its boundary and two hyphens, and have at most {MAX_PARTS} parts")
