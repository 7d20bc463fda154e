"""What kind of input a bulk job has, by the name of its file."""

from __future__ import annotations

from enum import StrEnum


class InputKind(StrEnum):
    """How an input is read.

    Only `LINES` is read by ranges of bytes. The planner copies any other one to the job bucket as JSONL.
    """

    LINES = "lines"
    GZIP = "gzip"
    PARQUET = "parquet"
    PREFIX = "prefix"

    @classmethod
    def from_name(cls, name: str) -> InputKind:
        """Return how a file of this name is read. A file of another name is read as JSONL."""
        endings = {".gz": cls.GZIP, ".parquet": cls.PARQUET, ".pq": cls.PARQUET}
        return next((kind for ending, kind in endings.items() if name.lower().endswith(ending)), cls.LINES)
