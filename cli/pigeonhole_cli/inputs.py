"""What a command line names to the body of a request: image files, addresses of images, a whole body; held to its size."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from pathlib import Path

import typer

from pigeonhole.contract import DOCUMENTED

STDIN = "-"
# By its name alone, which decides what a folder gives; what a file is, the API tells by its bytes.
MEDIA_TYPES = {
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".webp": "image/webp",
}
_ADDRESS = re.compile(r"(?:https?|s3)://|data:", re.IGNORECASE)


class InputError(Exception):
    """Something named on the command line that can't be sent; the message is one line that says why and how to mend it."""


def is_address(named: str) -> bool:
    """Whether the API fetches what is named itself; else it is a file of ours."""
    return bool(_ADDRESS.match(named))


def image_values(found: Sequence[Path | str], *, hint: str, way_out: str) -> list[str]:
    """The values of images: files inline, addresses as they are.

    Raises InputError for files that can't be read, with `hint`, or are too large together, with `way_out`.
    """
    values: list[str] = []
    size = 0
    for path in found:
        if isinstance(path, Path):
            size += _size(path, hint) * 4 // 3  # in base64
            _hold(size, way_out)  # before a folder of gigabytes is read
            values.append(_inline(path))
        else:
            values.append(path)
    return values


def json_object(file: str, is_none: str) -> bytes:
    """A file's bytes as they are. `file`: a path, `-` for standard input. Raises InputError unless they are a JSON object;
    with `is_none`, which says what one would be, where they are other JSON."""
    data = read(file)
    try:
        is_object = isinstance(json.loads(data), dict)
    except ValueError as error:  # UnicodeDecodeError, too
        raise InputError(f"{name(file)} is not JSON: {error}") from None
    if not is_object:
        raise InputError(f"{name(file)} {is_none}")
    return data


def encoded(request: object) -> bytes:
    """A request as JSON; half of a surrogate pair, which a command line may hold, is for the API to refuse."""
    return json.dumps(request, ensure_ascii=False).encode("utf-8", "surrogatepass")


def held(data: bytes, way_out: str) -> bytes:
    """Give `data` back. Raises InputError, with `way_out`, if it is larger than a request may be."""
    _hold(len(data), way_out)
    return data


def read(file: str) -> bytes:
    """A file's bytes. `file`: a path, `-` for standard input. Raises InputError."""
    if file == STDIN:
        return typer.get_binary_stream("stdin").read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise InputError(f"{file} can't be read: {error.strerror}.") from None


def name(file: str) -> str:
    """What a file is called in a message."""
    return "standard input" if file == STDIN else file


def _hold(size: int, way_out: str) -> None:
    most = DOCUMENTED.max_body_bytes
    if size > most:
        raise InputError(f"the request is larger than the {most / 1e6:g} MB that are taken. {way_out}")


def _size(path: Path, hint: str) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}. {hint}") from None


def _inline(path: Path) -> str:
    try:
        data = base64.b64encode(path.read_bytes()).decode()
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}.") from None
    return f"data:{MEDIA_TYPES.get(path.suffix.lower(), 'application/octet-stream')};base64,{data}"
