"""The results of a bulk job below a prefix of the job bucket."""

from __future__ import annotations

from dataclasses import dataclass

from pigeonhole.ports import ObjectStore

CONTENT_TYPES = {"json": "application/json", "jsonl": "application/x-ndjson", "parquet": "application/vnd.apache.parquet"}


@dataclass(frozen=True)
class ObjectResultStore:
    """Stores results as objects: a ResultStore.

    Attributes:
        objects: The job bucket.
        prefix: The prefix of the job's results, with a slash at its end.
    """

    objects: ObjectStore
    prefix: str

    def put(self, name: str, data: bytes) -> None:
        """Store a file."""
        self.objects.put(self.prefix + name, data, CONTENT_TYPES[name.rpartition(".")[2]])
