"""What a command line names to the body of a request: image files, addresses of images, a whole body; held to its size."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import typer

from pigeonhole.contract.classification import DOCUMENTED

STDIN = "-"
ROOM_BYTES = 100_000  # of a request for what isn't an image: labels, and a hundred bytes beside each
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


def image_values(
    found: Sequence[Path | str], *, hint: str, way_out: str, upload: Callable[[Sequence[Path]], list[str]] | None = None
) -> list[str]:
    """The values of images: files inline, addresses as they are.

    `upload`: gives files addresses, where they are too large together to be sent inline; without it that is an error.

    Raises InputError for files that can't be read, with `hint`, or are too large together, with `way_out`.
    """
    files = [path for path in found if isinstance(path, Path)]
    inline_size = sum(_size(path, hint) for path in files) * 4 // 3  # in base64; before a folder of gigabytes is read
    if upload is not None and inline_size > DOCUMENTED.max_body_bytes - ROOM_BYTES:
        values = iter(upload(files))
    else:
        _hold(inline_size, way_out)
        values = map(_inline, files)
    return [next(values) if isinstance(path, Path) else path for path in found]


def media_type(path: Path) -> str:
    """What an image file claims to be, by its name."""
    return MEDIA_TYPES.get(path.suffix.lower(), "application/octet-stream")


def opened(path: Path, suffixes: Collection[str], what: str) -> list[Path]:
    """The files of a folder whose names end in one of `suffixes`, by name; what is no folder, as it is.

    Raises InputError for a folder that can't be read or has none. `what`: what files of these names are.
    """
    if not path.is_dir():
        return [path]
    try:
        named = sorted(it for it in path.iterdir() if it.suffix.lower() in suffixes and not it.name.startswith("."))
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}.") from None
    if not named:
        raise InputError(f"{path} has no {what} ({', '.join(suffixes)}). Folders in it are not looked into.")
    return named


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
    return f"data:{media_type(path)};base64,{data}"
