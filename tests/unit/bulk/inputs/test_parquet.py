"""The rows of a Parquet file are lines of a manifest."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pigeonhole.bulk.inputs.parquet import ParquetRows, RangeFile
from pigeonhole.bulk.manifest import UnreadableManifest
from pigeonhole.errors import Overloaded, UnfetchableUrl


def to_parquet(rows: list[dict[str, Any]], row_group_size: int = 2) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer, row_group_size=row_group_size)
    return buffer.getvalue()


class Source:
    """A manifest in memory, which counts reads."""

    def __init__(self, data: bytes) -> None:
        self.data, self.read_bytes = data, 0
        self.error: Exception | None = None

    def read(self, start_byte: int = 0, stop_byte: int | None = None) -> Iterator[bytes]:
        if self.error and self.read_bytes > 100:
            raise self.error
        data = self.data[start_byte:stop_byte]
        self.read_bytes += len(data)
        yield from (data[:3], data[3:])


def rows_of(source: Source, skip: int = 0) -> list[dict[str, Any]]:
    lines = ParquetRows(RangeFile(source, len(source.data))).lines(skip)
    return [json.loads(line) for line in b"".join(lines).splitlines()]


ROWS = [{"type": "text", "value": f"text {k}", "custom_id": str(k)} for k in range(7)]


@pytest.mark.parametrize("skip", range(9))
def test_the_rows_are_read_from_any_place(skip: int) -> None:
    assert rows_of(Source(to_parquet(ROWS)), skip) == ROWS[skip:]


def test_other_columns_are_not_read() -> None:
    """A column of photos may be as large as a disk."""
    rows = [row | {"photo": random.randbytes(100_000)} for row in ROWS]
    data = to_parquet(rows, row_group_size=7)
    source = Source(data)

    assert rows_of(source) == ROWS
    assert source.read_bytes < len(data) / 5


def test_a_null_and_a_value_of_another_type_become_lines_that_say_so() -> None:
    rows = rows_of(Source(to_parquet([{"type": "image", "value": b"\xff"}, {"type": "image", "value": None}])))

    assert rows == [{"type": "image", "value": "b'\\xff'"}, {"type": "image", "value": None}]


def test_a_file_without_a_needed_column_is_told() -> None:
    with pytest.raises(UnreadableManifest, match="no column value; it needs type and value"):
        rows_of(Source(to_parquet([{"type": "text", "text": "a"}])))


@pytest.mark.parametrize("data", [b"", b"no parquet", b"PAR1" + bytes(100) + b"PAR1"])
def test_a_file_of_another_kind_is_told(data: bytes) -> None:
    with pytest.raises(UnreadableManifest, match="Parquet"):
        rows_of(Source(data))


def test_a_file_whose_pages_are_broken_is_told() -> None:
    data = bytearray(to_parquet(ROWS, row_group_size=7))
    data[4:60] = bytes(56)

    with pytest.raises(UnreadableManifest, match="Parquet"):
        rows_of(Source(bytes(data)))


@pytest.mark.parametrize("error", [Overloaded("busy"), UnfetchableUrl("replaced")])
def test_an_error_of_the_source_is_not_the_files(error: Exception) -> None:
    source = Source(to_parquet(ROWS * 100, row_group_size=7))
    rows = ParquetRows(RangeFile(source, len(source.data)))
    source.error = error

    with pytest.raises(type(error), match=str(error)):
        list(rows.lines())
