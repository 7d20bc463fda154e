"""The results of some lines of a span, stored before the span's parts.

Pieces form a chain: each begins where another one ended. The first piece that is stored for a line is the only one, whatever
another worker computes: a fetch may fail in one worker and not in the other, and the last digits of a score differ between
machines. So the parts of a span, which are made from its pieces, are the same in whichever worker writes them.

No worker classifies a line for which there is a piece. A line that crashes its worker again and again is found by ever smaller
pieces.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass, replace

from pigeonhole.bulk.manifest import ManifestSpan
from pigeonhole.bulk.runner import SpanResults
from pigeonhole.contract.bulk_results import AnyResultRow, ErrorRow
from pigeonhole.label_sets.records import JsonRecord
from pigeonhole.object_keys import bulk_piece_key
from pigeonhole.ports import ObjectStore


class PieceRecord(JsonRecord):
    """A stored piece.

    Attributes:
        stop_byte: Where the next piece begins in the manifest.
        lines: The number of lines, blank ones included.
        samples: The number of lines that aren't blank.
    """

    version: int = 1
    stop_byte: int
    lines: int
    samples: int
    rows: list[AnyResultRow]
    errors: list[ErrorRow]
    warnings: list[str]


@dataclass(frozen=True, kw_only=True)
class PieceStore:
    """Stores the pieces of a job's spans."""

    objects: ObjectStore
    tenant_id: str
    job_id: str

    def read(self, span: ManifestSpan) -> tuple[SpanResults, ManifestSpan | None]:
        """Read the chain of pieces of a span.

        Returns:
            The results so far, and the rest of the span, None if no line is left.
        """
        results, rest = SpanResults(span), span
        while rest.lines:
            data = self.objects.get(self._key(span, rest.first_line))
            if data is None:
                return results, rest
            piece = PieceRecord.from_json(gzip.decompress(data))
            results.extend(SpanResults(span, piece.rows, piece.errors, piece.warnings))
            rest = replace(
                rest,
                start_byte=piece.stop_byte,
                first_line=rest.first_line + piece.lines,
                lines=rest.lines - piece.lines,
                samples=rest.samples - piece.samples,
            )
        return results, None

    def write(self, results: SpanResults) -> bool:
        """Store the results of consecutive lines of a span: those of `results.span`.

        Returns:
            False, and nothing is stored, if another worker has stored a piece that begins with the same line.
        """
        piece = results.span
        record = PieceRecord(
            stop_byte=piece.stop_byte,
            lines=piece.lines,
            samples=piece.samples,
            rows=results.rows,
            errors=results.errors,
            warnings=results.warnings,
        )
        data = gzip.compress(record.to_json().encode(), mtime=0)
        return self.objects.create(self._key(piece, piece.first_line), data, "application/gzip")

    def _key(self, span: ManifestSpan, first_line: int) -> str:
        return bulk_piece_key(self.tenant_id, self.job_id, span.number, first_line)
