"""What a command line names to the body of a label set: words, example images, or a whole body."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pigeonhole_cli.request_input import encoded, held, image_values, is_address, json_object

HINT = "An example image is a file, or an https:// or s3:// address."
WAY_OUT = "Give large images by https:// or s3:// address; files are sent inline."


def body(texts: Sequence[str], images: Sequence[tuple[str, str]], **options: Any) -> bytes:
    """The request that saves these labels.

    `images`: for each its label's name, and a file or an address. Raises InputError for files that can't be read or are too
    large together.
    """
    named = [image if is_address(image) else Path(image) for _, image in images]
    values = image_values(named, hint=HINT, way_out=WAY_OUT)
    labels = [
        *({"type": "text", "value": text} for text in texts),
        *({"key": key, "type": "image", "value": value} for (key, _), value in zip(images, values, strict=True)),
    ]
    return held(encoded({"labels": labels, **options}), WAY_OUT)


def whole_body(file: str) -> bytes:
    """A request's body as it is. `file`: a path, `-` for standard input. Raises InputError unless it is a JSON object."""
    return held(json_object(file, "is no label set: a JSON object with `labels`."), WAY_OUT)
