"""Turn files and addresses named on a command line into request bodies, and check their size."""

from __future__ import annotations

import base64
import codecs
import json
import os
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import typer

from pigeonhole.contract.limits import DEFAULT_LIMITS
from pigeonhole_cli.console import one_line, say

STDIN = "-"
RESERVED_BYTES = 100_000  # the part of a request that is not image data: labels, and about 100 bytes per image
# The suffix decides which files of a folder are sent. The API detects the real type from the bytes.
MEDIA_TYPES = {
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".webp": "image/webp",
}
MAX_NAMED = 10  # entries of a folder that are skipped
BYTE_ORDER_MARKS = {  # UTF-32's first, because it begins with that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_ADDRESS = re.compile(r"(?:https?|s3)://|data:", re.IGNORECASE)


class InputError(Exception):
    """Input that can't be sent. The message is one line that says why and what to do."""


def is_address(argument: str) -> bool:
    """Whether an argument is an address that the API fetches. Other arguments are local files."""
    return bool(_ADDRESS.match(argument))


def image_values(
    images: Sequence[Path | str], *, hint: str, advice: str, upload: Callable[[Sequence[Path]], list[str]] | None = None
) -> list[str]:
    """Return the `value` of each image: a file as a data URL, an address unchanged.

    Args:
        images: Files and addresses.
        hint: Appended to the error for a file that can't be read.
        advice: Appended to the error for files that are too large.
        upload: Uploads files and returns their addresses, for files that are too large together for a request.

    Raises:
        InputError: A file can't be read, or the files are too large and there is no `upload`.
    """
    paths = [image for image in images if isinstance(image, Path)]
    inline_bytes = sum(_size_bytes(path, hint) for path in paths) * 4 // 3  # as base64; measured before any file is read
    if upload is not None and inline_bytes > DEFAULT_LIMITS.max_body_bytes - RESERVED_BYTES:
        values = iter(upload(paths))
    else:
        _check_size(inline_bytes, advice)
        values = map(_to_data_url, paths)
    return [next(values) if isinstance(image, Path) else image for image in images]


def media_type(path: Path) -> str:
    """Return the media type that an image file's suffix stands for."""
    return MEDIA_TYPES.get(path.suffix.lower(), "application/octet-stream")


def expand_folder(path: Path, suffixes: Collection[str], description: str) -> list[Path]:
    """Return the files of a folder that have one of the suffixes, sorted by name. A path that is no folder is returned as is.

    The other entries of the folder are counted and named on standard error.

    Args:
        path: A folder or a file.
        suffixes: Lower-case suffixes with their dots.
        description: Names the expected files in an error: "image files".

    Raises:
        InputError: The folder can't be read or has no such file.
    """
    if not path.is_dir():
        return [path]
    try:
        entries = sorted(path.iterdir())
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}.") from None
    files = [entry for entry in entries if _is_wanted(entry, suffixes)]
    wanted = set(files)
    if skipped := [_describe(entry) for entry in entries if entry not in wanted]:
        left_out = f" and {len(skipped) - MAX_NAMED} more" if len(skipped) > MAX_NAMED else ""
        say(f"Skipped {len(skipped)} of {len(entries)} in {one_line(str(path))}: {', '.join(skipped[:MAX_NAMED])}{left_out}.")
    if not files:
        raise InputError(f"{path} has no {description} ({', '.join(suffixes)}). Sub-folders are not searched.")
    return files


def _is_wanted(entry: Path, suffixes: Collection[str]) -> bool:
    return entry.suffix.lower() in suffixes and not entry.name.startswith(".") and os.path.isfile(entry)


def _describe(entry: Path) -> str:
    """Return the name of a folder's entry, with what it is if it is no file."""
    # pathlib's own tests raise an error for a link into a folder that can't be read.
    kind = " (a folder)" if os.path.isdir(entry) else "" if os.path.exists(entry) else " (a link to nothing)"
    return one_line(entry.name) + kind


def read_json_object(file: str, expected: str) -> bytes:
    """Read a file that holds a JSON object, and return its bytes, unchanged if they are UTF-8.

    Args:
        file: A path, or `-` for standard input.
        expected: Completes the error for other JSON: "must be a JSON object with `labels`".

    Raises:
        InputError: The file can't be read or is no JSON object.
    """
    data = read_file(file)
    if not (encoding := json.detect_encoding(data)).startswith("utf-8"):
        data = decode_text(data, encoding, file).encode()
    try:
        is_object = isinstance(json.loads(data), dict)
    except ValueError as error:  # includes UnicodeDecodeError
        raise InputError(f"{display_name(file)} is not JSON: {error}") from None
    if not is_object:
        raise InputError(f"{display_name(file)} {expected}")
    return data


def read_text(file: str | Path) -> str:
    """Read a text file in UTF-8, or in UTF-16 or UTF-32 if it begins with a byte order mark.

    Args:
        file: A path, or `-` for standard input.

    Raises:
        InputError: The file can't be read, or is no text in these encodings.
    """
    data = read_file(file)
    marked = next((encoding for mark, encoding in BYTE_ORDER_MARKS.items() if data.startswith(mark)), "utf-8-sig")
    text = decode_text(data, marked, file)
    if "\0" in text:
        raise InputError(
            f"{display_name(file)} is no text, because it has NUL characters. "
            "If it is UTF-16, convert it first: iconv -f utf-16 -t utf-8"
        )
    return text


def decode_text(data: bytes, encoding: str, file: str | Path) -> str:
    """Decode the bytes of a file.

    Args:
        data: The bytes.
        encoding: Their encoding.
        file: The path of the file, or `-` for standard input, for the error.

    Raises:
        InputError: The bytes have another encoding.
    """
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        name = encoding.removesuffix("-sig").upper()
        raise InputError(
            f"{display_name(file)} is not {name} text. Convert it first, such as from Latin-1: iconv -f latin1 -t utf-8"
        ) from None


def to_json(request: object) -> bytes:
    """Encode a request. A lone surrogate, which a command line may hold, is sent as it is and refused by the API."""
    return json.dumps(request, ensure_ascii=False).encode("utf-8", "surrogatepass")


def check_size(body: bytes, advice: str) -> bytes:
    """Return a request's body if it is small enough.

    Raises:
        InputError: The body is too large. The message ends with `advice`.
    """
    _check_size(len(body), advice)
    return body


def read_file(file: str | Path) -> bytes:
    """Read a file, or standard input for `-`.

    Raises:
        InputError: The file can't be read.
    """
    if file == STDIN:
        return typer.get_binary_stream("stdin").read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise InputError(f"{file} can't be read: {error.strerror}.") from None


def display_name(file: str | Path) -> str:
    """Return the name of a file for messages."""
    return "standard input" if file == STDIN else str(file)


def _check_size(size_bytes: int, advice: str) -> None:
    max_bytes = DEFAULT_LIMITS.max_body_bytes
    if size_bytes > max_bytes:
        raise InputError(f"the request must not be larger than {max_bytes / 1e6:g} MB. {advice}")


def _size_bytes(path: Path, hint: str) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}. {hint}") from None


def _to_data_url(path: Path) -> str:
    try:
        data = base64.b64encode(path.read_bytes()).decode()
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}.") from None
    return f"data:{media_type(path)};base64,{data}"
