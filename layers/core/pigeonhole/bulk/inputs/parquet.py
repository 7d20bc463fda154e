"""Read the rows of a Parquet file as lines of a manifest, in constant memory."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any

from pigeonhole.bulk.manifest import UnreadableManifest

if TYPE_CHECKING:
    from pigeonhole.bulk.ports import ManifestSource

BATCH_ROWS = 1_000
BUFFER_BYTES = 1_000_000  # of a column that are read at once
COLUMNS = ("type", "value", "custom_id")


class RangeFile(io.RawIOBase):
    """A file that reads a manifest by ranges of bytes. Parquet files are read from their end."""

    def __init__(self, source: ManifestSource, size: int) -> None:
        """Create a file over a source of so many bytes."""
        self._source, self._size, self._position = source, size, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the offset of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to an offset from the start, from here or from the end."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Read up to `size` bytes by one request, all that are left by default."""
        stop = self._size if size is None or size < 0 else min(self._size, self._position + size)
        if stop <= self._position:
            return b""
        data = b"".join(self._source.read(self._position, stop))
        self._position += len(data)
        return data


class ParquetRows:
    """The rows of a Parquet file."""

    def __init__(self, file: IO[bytes] | RangeFile) -> None:
        """Read the footer of a file.

        Raises:
            UnreadableManifest: The file is no Parquet file, or lacks a column.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            self._file = pq.ParquetFile(file, buffer_size=BUFFER_BYTES)
        except (pa.ArrowException, OSError, ValueError):
            raise UnreadableManifest("the manifest is no Parquet file, or its footer is broken; write it again") from None
        names = self._file.schema_arrow.names
        self._columns = [name for name in COLUMNS if name in names]
        if missing := sorted({"type", "value"} - set(names)):
            raise UnreadableManifest(f"the Parquet file has no column {' and '.join(missing)}; it needs type and value")

    @property
    def count(self) -> int:
        """The number of rows."""
        return int(self._file.metadata.num_rows)

    def lines(self, skip_rows: int = 0) -> Iterator[bytes]:
        """Yield the rows as lines of a manifest, many lines at a time.

        Args:
            skip_rows: How many rows are left out at the start.

        Raises:
            UnreadableManifest: The file is broken.
        """
        import pyarrow as pa

        try:
            for group in range(self._file.num_row_groups):
                rows = self._file.metadata.row_group(group).num_rows
                if skip_rows >= rows:
                    skip_rows -= rows
                    continue
                for batch in self._file.iter_batches(BATCH_ROWS, row_groups=[group], columns=self._columns):
                    if skip_rows < len(batch):
                        yield b"".join(map(_to_line, batch.slice(skip_rows).to_pylist()))
                    skip_rows = max(0, skip_rows - len(batch))
        except (pa.ArrowException, OSError, ValueError):  # ValueError: a text that isn't UTF-8
            raise UnreadableManifest("a page of the Parquet file is broken; write the file again") from None


def _to_line(fields: Mapping[str, Any]) -> bytes:
    # A value of another type, such as bytes, gets an error of its own line.
    return json.dumps(fields, default=repr).encode() + b"\n"
