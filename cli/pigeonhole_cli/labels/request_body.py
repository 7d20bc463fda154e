"""Build the body of a label set request from a command line: words, example images, or a complete body."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pigeonhole_cli.request_input import check_size, image_values, is_address, read_json_object, to_json

HINT = "An example image is a file, or an https:// or s3:// address."
ADVICE = "Give large images by https:// or s3:// address; files are sent inline."


def build_body(texts: Sequence[str], images: Sequence[tuple[str, str]], **options: Any) -> bytes:
    """Build the request body for labels.

    Args:
        texts: The labels that are described by words.
        images: Example images: a label's name with a file or an address.
        **options: The label set's other fields.

    Raises:
        InputError: A file can't be read, or the files are too large together.
    """
    sources = [image if is_address(image) else Path(image) for _, image in images]
    values = image_values(sources, hint=HINT, advice=ADVICE)
    labels = [
        *({"type": "text", "value": text} for text in texts),
        *({"key": label, "type": "image", "value": value} for (label, _), value in zip(images, values, strict=True)),
    ]
    return check_size(to_json({"labels": labels, **options}), ADVICE)


def read_body(file: str) -> bytes:
    """Read a complete request body.

    Args:
        file: A path, or `-` for standard input.

    Raises:
        InputError: The file can't be read, is no JSON object or is too large.
    """
    return check_size(read_json_object(file, "must be a label set: a JSON object with `labels`."), ADVICE)
