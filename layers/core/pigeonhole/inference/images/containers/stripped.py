"""What the readers of all formats share."""

from __future__ import annotations

from dataclasses import dataclass

from pigeonhole.errors import UnreadableImage

MAX_PARTS = 10_000  # segments, chunks, blocks or boxes of a file
MAX_EXIF_BYTES = 65_536  # what a JPEG's segment holds


@dataclass(frozen=True)
class Stripped:
    """A file without what the decoder doesn't need.

    Attributes:
        data: The bytes of the file.
        orientation: The orientation that metadata named and that isn't in `data` any more, 1 to 8; 0 if it named none.
        continued: `data` with other pixels at its end, if its end is missing. The image is whole if it stays the same.
    """

    data: bytes
    orientation: int = 0
    continued: bytes | None = None


class PartCount:
    """Counts the parts that a reader has seen of one file."""

    def __init__(self) -> None:
        """Start at 0."""
        self._seen = 0

    def add(self) -> None:
        """Count one part more.

        Raises:
            UnreadableImage: There are too many.
        """
        self._seen += 1
        if self._seen > MAX_PARTS:
            raise too_many_parts()


def too_many_parts() -> UnreadableImage:
    """Return the error of a file that has more parts than an encoder writes."""
    return UnreadableImage("the file has too many parts for an image; save it again with an image editor")
