"""What a command line names to the body of a job: images, a text per line, or a whole body."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pigeonhole_cli.request_input import (
    MEDIA_TYPES,
    InputError,
    encoded,
    held,
    image_values,
    is_address,
    json_object,
    name,
    opened,
    read,
)

HINT = "Samples are image files; for texts use --texts."


def files(named: Sequence[str]) -> list[Path | str]:
    """What was named, one by one: addresses as they are, folders opened, what is in them by name.

    Raises InputError for a folder that can't be read or has no image.
    """
    return [each for it in named for each in ([it] if is_address(it) else opened(Path(it), MEDIA_TYPES, "image files"))]


def images(found: Sequence[Path | str], upload: Callable[[Sequence[Path]], list[str]]) -> list[dict[str, str]]:
    """Samples of image files and of addresses. `upload`: for files that are too large together.

    Raises InputError for files that can't be read.
    """
    values = image_values(found, hint=HINT, way_out=_way_out(images=True), upload=upload)
    return [{"type": "image", "value": value} for value in values]


def texts(file: str) -> list[dict[str, str]]:
    """A text sample of each line that isn't blank. `file`: a path, `-` for standard input. Raises InputError."""
    try:
        lines = read(file).decode("utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise InputError(f"{name(file)} is not UTF-8 text. Convert it first: iconv -f latin1 -t utf-8") from None
    found = [line.removesuffix("\r") for line in lines if line.strip()]
    if not found:
        raise InputError(f"{name(file)} has no text: one per line is taken.")
    return [{"type": "text", "value": line} for line in found]


def whole_body(file: str) -> bytes:
    """A request's body as it is. `file`: a path, `-` for standard input. Raises InputError unless it is a JSON object."""
    data = json_object(file, "is no request: a JSON object with `dataset` and `labels`.")
    return held(data, _way_out(images=b'"image"' in data))


def body(dataset: Sequence[dict[str, str]], labels: Sequence[str], **options: Any) -> bytes:
    """The request for these samples; what is False, None or empty is left out. Raises InputError for one too large."""
    fields = {"labels": [{"type": "text", "value": label} for label in labels], **options}
    request = {"dataset": list(dataset), **{name: value for name, value in fields.items() if value}}
    return held(encoded(request), _way_out(images=dataset[0]["type"] == "image"))


def _way_out(*, images: bool) -> str:
    way_out = "name large images by https:// or s3://" if images else "`split -l 5000` cuts a file of texts"
    return f"Submit fewer at a time; {way_out}."
