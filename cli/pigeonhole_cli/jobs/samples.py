"""What a command line names to the body of a request: images, a text per line, or a whole body."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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


def files(named: Sequence[str]) -> list[Path | str]:
    """What was named, one by one: addresses as they are, folders opened, what is in them by name.

    Raises InputError for a folder that can't be read or has no image.
    """
    return [each for name in named for each in ([name] if _ADDRESS.match(name) else _opened(Path(name)))]


def images(found: Sequence[Path | str]) -> list[dict[str, str]]:
    """Samples of image files and of addresses. Raises InputError for files that can't be read or are too large together."""
    values: list[str] = []
    size = 0
    for path in found:
        if isinstance(path, Path):
            size += _size(path) * 4 // 3  # in base64
            _hold(size, images=True)  # before a folder of gigabytes is read
            values.append(_inline(path))
        else:
            values.append(path)
    return [{"type": "image", "value": value} for value in values]


def texts(file: str) -> list[dict[str, str]]:
    """A text sample of each line that isn't blank. `file`: a path, `-` for standard input. Raises InputError."""
    try:
        lines = _read(file).decode("utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise InputError(f"{_name(file)} is not UTF-8 text. Convert it first: iconv -f latin1 -t utf-8") from None
    found = [line.removesuffix("\r") for line in lines if line.strip()]
    if not found:
        raise InputError(f"{_name(file)} has no text: one per line is taken.")
    return [{"type": "text", "value": line} for line in found]


def whole_body(file: str) -> bytes:
    """A request's body as it is. `file`: a path, `-` for standard input. Raises InputError unless it is a JSON object."""
    data = _read(file)
    try:
        is_object = isinstance(json.loads(data), dict)
    except ValueError as error:  # UnicodeDecodeError, too
        raise InputError(f"{_name(file)} is not JSON: {error}") from None
    if not is_object:
        raise InputError(f"{_name(file)} is no request: a JSON object with `dataset` and `labels`.")
    return held(data, images=b'"image"' in data)


def body(dataset: Sequence[dict[str, str]], labels: Sequence[str], **options: Any) -> bytes:
    """The request for these samples; options that are False or None are left out. Raises InputError for one too large."""
    request = {
        "dataset": list(dataset),
        "labels": [{"type": "text", "value": label} for label in labels],
        **{name: value for name, value in options.items() if value},
    }
    data = json.dumps(request, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return held(data, images=dataset[0]["type"] == "image")


def held(data: bytes, *, images: bool) -> bytes:
    """Give `data` back. Raises InputError if it is larger than a request may be."""
    _hold(len(data), images=images)
    return data


def _hold(size: int, *, images: bool) -> None:
    most = DOCUMENTED.max_body_bytes
    if size > most:
        way_out = "name large images by https:// or s3://" if images else "`split -l 5000` cuts a file of texts"
        raise InputError(f"the request is larger than the {most / 1e6:g} MB that are taken. Submit fewer at a time; {way_out}.")


def _opened(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return [folder]
    try:
        named = sorted(it for it in folder.iterdir() if it.suffix.lower() in MEDIA_TYPES and not it.name.startswith("."))
    except OSError as error:
        raise InputError(f"{folder} can't be read: {error.strerror}.") from None
    if not named:
        raise InputError(f"{folder} has no image files ({', '.join(MEDIA_TYPES)}). Folders in it are not looked into.")
    return named


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}. Samples are image files; for texts use --texts.") from None


def _inline(path: Path) -> str:
    try:
        data = base64.b64encode(path.read_bytes()).decode()
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}.") from None
    return f"data:{MEDIA_TYPES.get(path.suffix.lower(), 'application/octet-stream')};base64,{data}"


def _read(file: str) -> bytes:
    if file == STDIN:
        return typer.get_binary_stream("stdin").read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise InputError(f"{file} can't be read: {error.strerror}.") from None


def _name(file: str) -> str:
    return "standard input" if file == STDIN else file
