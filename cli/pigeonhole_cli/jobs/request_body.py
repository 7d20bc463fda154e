"""Build the body of a job request from a command line: images, one text per line, or a complete body."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pigeonhole.contract.validation import is_blank
from pigeonhole_cli.console import plural, say
from pigeonhole_cli.request_input import (
    MEDIA_TYPES,
    InputError,
    check_size,
    display_name,
    expand_folder,
    image_values,
    is_address,
    read_json_object,
    read_text,
    to_json,
)

HINT = "Samples are image files; for texts use --texts."


def list_images(arguments: Sequence[str]) -> list[Path | str]:
    """Return the images of the arguments: addresses unchanged, and the image files of folders sorted by name.

    Raises:
        InputError: A folder can't be read or has no image.
    """
    return [
        image
        for argument in arguments
        for image in ([argument] if is_address(argument) else expand_folder(Path(argument), MEDIA_TYPES, "image files"))
    ]


def image_samples(images: Sequence[Path | str], upload: Callable[[Sequence[Path]], list[str]]) -> list[dict[str, str]]:
    """Return a sample for each image.

    Args:
        images: Files and addresses.
        upload: Uploads files that are too large together, and returns their addresses.

    Raises:
        InputError: A file can't be read.
    """
    values = image_values(images, hint=HINT, advice=_advice(images=True), upload=upload)
    return [{"type": "image", "value": value} for value in values]


def text_samples(file: str) -> list[dict[str, str]]:
    """Return a sample for each line that isn't blank.

    Args:
        file: A path, or `-` for standard input.

    Raises:
        InputError: The file can't be read, isn't text or has no text.
    """
    lines = read_text(file).removesuffix("\n").split("\n")
    texts = [line.removesuffix("\r") for line in lines if not is_blank(line)]
    if not texts:
        raise InputError(f"{display_name(file)} has no text. Write one text per line.")
    if skipped := len(lines) - len(texts):
        say(f"Skipped {plural(skipped, 'blank line')} of {display_name(file)}.")
    return [{"type": "text", "value": text} for text in texts]


def read_body(file: str) -> bytes:
    """Read a complete request body.

    Args:
        file: A path, or `-` for standard input.

    Raises:
        InputError: The file can't be read, is no JSON object or is too large.
    """
    body = read_json_object(file, "must be a request: a JSON object with `dataset` and `labels`.")
    return check_size(body, _advice(images=b'"image"' in body))


def build_body(dataset: Sequence[dict[str, str]], labels: Sequence[str], **options: Any) -> bytes:
    """Build the request body for samples. Options that are False, None or empty are left out.

    Raises:
        InputError: The body is too large.
    """
    fields = {"labels": [{"type": "text", "value": label} for label in labels], **options}
    request = {"dataset": list(dataset), **{name: value for name, value in fields.items() if value}}
    return check_size(to_json(request), _advice(images=dataset[0]["type"] == "image"))


def _advice(*, images: bool) -> str:
    advice = "name large images by https:// or s3://" if images else "`split -l 5000` cuts a file of texts"
    return f"Submit fewer at a time; {advice}."
