"""What bulk jobs need from the outside: where the manifest is read, and where the results are stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class ManifestSource(Protocol):
    """A manifest that can be read by ranges of bytes."""

    def read(self, start_byte: int = 0, stop_byte: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of a range in chunks of bounded size. None as its end is the end of the manifest."""
        ...


class ResultStore(Protocol):
    """The folder or prefix of a bulk job's results."""

    def put(self, name: str, data: bytes) -> None:
        """Store a file: whole, or not at all. A file of the same name is replaced."""
        ...
