"""A body with files. It stands apart from its parser, because the images have no zstd, which the parser needs."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Form:
    """A body and the files that came with it.

    Attributes:
        body: The decoded JSON.
        files: The other parts, by name.
    """

    body: object
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)


def to_data_url(file: bytes) -> str:
    """Return the address of an image in a form. Its bytes decide what it is."""
    return "data:image/any;base64," + base64.b64encode(file).decode("ascii")
