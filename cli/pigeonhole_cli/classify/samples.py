"""Read what `pigeonhole classify` sorts: texts, image files, text files, folders, addresses and standard input."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pigeonhole.contract.validation import is_blank
from pigeonhole_cli.request_input import MEDIA_TYPES, STDIN, InputError, expand_folder, is_address, read_text

PATH_BEGINNINGS = ("/", "./", "../", "~/")
_DATA_URL = re.compile(r"data:(?:image/|[^\s,]*;base64,)", re.IGNORECASE)
SampleType = Literal["text", "image"]


@dataclass(frozen=True)
class CommandSample:
    """A text or an image of the command line.

    Attributes:
        name: What the output calls it.
        type: Whether it is a text or an image.
        value: A text, the address of an image, or the path of an image.
        problem: Why it can't be read, None if it can.
    """

    name: str
    type: SampleType
    value: str | Path
    problem: str | None = None


def read_samples(arguments: Sequence[str], texts: str | None) -> list[CommandSample]:
    """Return the samples that the user named, in order.

    Args:
        arguments: Texts, files, folders and addresses, and `-` for the lines of standard input.
        texts: A file with one text per line, or `-`.

    Raises:
        InputError: A folder has no image, or a file of texts can't be read.
    """
    samples = [sample for argument in arguments for sample in _read_argument(argument)]
    if texts is not None:
        samples += _read_lines(texts)
    return samples


def _read_argument(argument: str) -> Iterator[CommandSample]:
    if argument == STDIN:
        yield from _read_lines(STDIN)
    elif _is_image_address(argument):
        yield CommandSample(argument, "image", argument)
    elif not os.path.lexists(argument) and not _looks_like_path(argument):
        yield CommandSample(argument, "text", argument)
    else:
        for path in expand_folder(Path(argument), MEDIA_TYPES, "image files"):
            yield _read_file(path)


def _is_image_address(argument: str) -> bool:
    """Whether an argument is the address of an image. A text may begin with `data:` as well."""
    return bool(_DATA_URL.match(argument)) if argument[:5].lower() == "data:" else is_address(argument)


def _looks_like_path(argument: str) -> bool:
    """Whether an argument is rather a wrong path than a text: it names an image, or begins or ends as only a path does."""
    if _has_image_suffix(argument):
        return True
    is_word = not any(char.isspace() for char in argument)
    return is_word and (argument.startswith(PATH_BEGINNINGS) or argument.endswith("/"))


def _has_image_suffix(argument: str) -> bool:
    return Path(argument).suffix.lower() in MEDIA_TYPES


def _read_file(path: Path) -> CommandSample:
    """Return an image file by its path, and another file as one text."""
    name = str(path)
    if _has_image_suffix(name):
        return CommandSample(name, "image", path)
    try:
        return CommandSample(name, "text", read_text(path))
    except InputError as error:
        return CommandSample(name, "text", "", problem=str(error))


def _read_lines(file: str) -> list[CommandSample]:
    lines = [line.removesuffix("\r") for line in read_text(file).split("\n")]
    return [CommandSample(line, "text", line) for line in lines if not is_blank(line)]
