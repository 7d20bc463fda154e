"""Decode the body of an HTTP request: its compression, its charset and its JSON. Another body is named for what it is."""

from __future__ import annotations

import codecs
import json
import re
import sys
import zlib
from collections.abc import Callable, Mapping
from typing import NoReturn, Protocol

from pigeonhole.errors import Fault, InvalidRequest, TooLarge, UnsupportedEncoding

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd  # the same module for older versions

MAX_WINDOW_LOG = 23  # of zstd: a window of 8 MB, which RFC 8878 (3.1.1.1.2) recommends to support
GZIP_WBITS = 31  # of zlib: a gzip header and the largest window
PLAIN_CODINGS = ("", "identity", "utf-8", "utf8")  # of Content-Encoding, which some clients take for the charset

# How files start that callers send in place of JSON.
_COMPRESSED: Mapping[str, bytes] = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}


class _Decompressor(Protocol):
    """One stream, as zlib and zstd decompress it."""

    @property
    def eof(self) -> bool:
        """Whether the end of the stream was reached."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What follows the stream."""
        ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Decompress at most `max_length` bytes."""
        ...


def _open_zstd() -> _Decompressor:
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: MAX_WINDOW_LOG})


_DECOMPRESSORS: Mapping[str, Callable[[], _Decompressor]] = {
    "gzip": lambda: zlib.decompressobj(GZIP_WBITS),
    "zstd": _open_zstd,
}
CODINGS = tuple(_DECOMPRESSORS)  # that Content-Encoding may name


def decompress(data: bytes, content_encoding: str, max_bytes: int) -> bytes:
    """Decompress a body, as its Content-Encoding says.

    Args:
        data: The body as it was sent.
        content_encoding: The header, empty if the request has none.
        max_bytes: The limit of the decompressed body. No more than that is ever decompressed.

    Raises:
        UnsupportedEncoding: Content-Encoding names another coding, or several.
        TooLarge: The decompressed body has more than `max_bytes`.
        InvalidRequest: The body isn't what Content-Encoding says.
    """
    codings = [coding for part in content_encoding.lower().split(",") if (coding := part.strip()) not in PLAIN_CODINGS]
    if not codings:
        _check_size(len(data), max_bytes)
        return data
    (coding, *more) = (coding.removeprefix("x-") for coding in codings)
    if more or coding not in _DECOMPRESSORS:
        fault = Fault("Content-Encoding", f"must be one of {', '.join(CODINGS)}, or absent")
        raise UnsupportedEncoding(f"{fault.path}: {fault.message}", (fault,))
    decompressor = _DECOMPRESSORS[coding]()
    try:
        plain = decompressor.decompress(data, max_bytes + 1)
    except (zlib.error, zstd.ZstdError):
        raise InvalidRequest(f"the body is damaged, or isn't {coding}, which its Content-Encoding says") from None
    if len(plain) > max_bytes:
        raise TooLarge(f"the body must have at most {max_bytes} bytes after decompression: send large images by URL")
    if not decompressor.eof or decompressor.unused_data:
        raise InvalidRequest(f"the body must be one whole {coding} stream: it is cut off, or something follows it")
    return plain


def parse_json(data: bytes, content_type: str) -> object:
    """Parse a decompressed body as JSON, whatever media type its Content-Type says.

    Args:
        data: The body.
        content_type: The header, empty if the request has none. A charset in it must be UTF-8 unless the body is ASCII.

    Raises:
        UnsupportedEncoding: The body's charset isn't UTF-8.
        InvalidRequest: The body isn't JSON.
    """
    if not data.strip():
        raise InvalidRequest("the body is empty: it must be JSON")
    for coding, start in _COMPRESSED.items():
        if data.startswith(start):
            raise InvalidRequest(f"the body is compressed: compress it once, and send `Content-Encoding: {coding}` with it")
    try:
        return json.loads(_decode(data, content_type), parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        if form := _find_form(data, content_type):
            raise InvalidRequest(f"the body is a form ({form}): it must be JSON") from None
        raise InvalidRequest(f"the body must be JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except (ValueError, RecursionError):  # NaN, a number of thousands of digits, or thousands of nested brackets
        raise InvalidRequest("the body must be JSON: a number is out of range, or the nesting is too deep") from None


def _decode(data: bytes, content_type: str) -> str:
    declared = re.search(r"""charset\s*=\s*["']?([^\s;,"']+)""", content_type, re.IGNORECASE)
    # ASCII is the same in nearly all charsets, and some clients declare Latin-1 whatever they send.
    if declared and not data.isascii() and _normalize(declared[1]) != "utf-8":
        fault = Fault("Content-Type", "must have the charset UTF-8, or none")
        raise UnsupportedEncoding(f"{fault.path}: {fault.message}. The body must be JSON in UTF-8", (fault,))
    charset = json.detect_encoding(data)  # by a byte order mark, or by the zeros of ASCII characters
    if not charset.startswith("utf-8"):
        raise UnsupportedEncoding(f"the body is text in {charset[:6].upper()}: it must be JSON in UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        message = "the body is not text in UTF-8, but perhaps in Latin-1 or Windows-1252: it must be JSON in UTF-8"
        raise UnsupportedEncoding(message) from None


def _normalize(charset: str) -> str | None:
    """Return the one name of a charset that has several, None if it is unknown."""
    try:
        return codecs.lookup(charset).name
    except LookupError:
        return None


def _find_form(data: bytes, content_type: str) -> str | None:
    """Return the media type of a form that was sent in place of JSON, None if the body is something else."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "multipart/form-data" or re.match(rb"--[^\r\n]+\r?\nContent-Disposition:", data, re.IGNORECASE):
        return "multipart/form-data"
    # curl's -d sends this type with whatever body
    is_form = media_type == "application/x-www-form-urlencoded" and data.lstrip()[:1] not in (b"{", b"[", b'"')
    return media_type if is_form else None


def _check_size(size_bytes: int, max_bytes: int) -> None:
    if size_bytes > max_bytes:
        message = f"the body must have at most {max_bytes} bytes, got {size_bytes}"
        raise TooLarge(f"{message}: send large images by URL, not as data: URLs")


def _refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python's parser takes and JSON doesn't have."""
    raise ValueError(name)
