"""Write the results of spans as files: a results part per span, and an errors part where a line has an error.

The parts are numbered in the order of the lines. The same rows give the same bytes, so a span that is classified twice replaces
its own part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from pigeonhole.bulk.ports import ResultStore
from pigeonhole.contract.base import HttpSchema
from pigeonhole.contract.bulk import ErrorRow, OutputFormat, PartFile, ResultRow, ResultsManifest

MANIFEST_NAME = "_manifest.json"


@dataclass(frozen=True)
class SpanParts:
    """The files of a span.

    Attributes:
        results: The results part. It may have no row.
        errors: The errors part, None if no line has an error.
    """

    results: PartFile
    errors: PartFile | None


@dataclass(frozen=True, kw_only=True)
class PartFiles:
    """Writes the parts of a bulk job.

    Attributes:
        store: Where the files are stored.
        format: Their format.
        multiple_labels: Whether a prediction is a list of labels.
        scores: Whether each row has scores.
    """

    store: ResultStore
    format: OutputFormat
    multiple_labels: bool = False
    scores: bool = False

    def write(self, number: int, rows: Sequence[ResultRow], errors: Sequence[ErrorRow]) -> SpanParts:
        """Write the parts of a span. The results part is stored last: where it is, the span is complete."""
        error_file = self._put(f"errors-{number:05d}.{self.format.value}", errors) if errors else None
        return SpanParts(self._put(f"part-{number:05d}.{self.format.value}", rows), error_file)

    def write_manifest(self, manifest: ResultsManifest) -> None:
        """Write the results manifest, after all parts."""
        self.store.put(MANIFEST_NAME, manifest.model_dump_json(indent=2).encode() + b"\n")

    def _put(self, name: str, rows: Sequence[ResultRow] | Sequence[ErrorRow]) -> PartFile:
        data = self._to_parquet(rows) if self.format is OutputFormat.PARQUET else _to_lines(rows)
        self.store.put(name, data)
        return PartFile(name=name, rows=len(rows), bytes=len(data), sha256=hashlib.sha256(data).hexdigest())

    def _to_parquet(self, rows: Sequence[ResultRow] | Sequence[ErrorRow]) -> bytes:
        import pyarrow as pa
        import pyarrow.parquet as pq

        text = pa.string()
        columns: dict[str, pa.DataType] = {"line": pa.int64(), "custom_id": text}
        if rows and isinstance(rows[0], ErrorRow):
            columns |= {"code": text, "message": text}
        else:
            columns["prediction"] = pa.list_(text) if self.multiple_labels else text
            if self.scores:
                score = pa.struct({"label": text, "probability": pa.float64(), "similarity": pa.float64()})
                columns["scores"] = pa.list_(score)
        table = pa.Table.from_pylist([row.model_dump() for row in rows], schema=pa.schema(columns))
        buffer = BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        return buffer.getvalue()


def _to_lines(rows: Sequence[HttpSchema]) -> bytes:
    return "".join(row.model_dump_json(exclude_none=True) + "\n" for row in rows).encode()
