"""The complete spans of bulk jobs in the table, and their counts.

    pk                         sk                    item
    SPANS#tenant#job#shard     number, eight digits  a complete span: its parts
    SPANS#tenant#job#shard     COUNT                 how many spans of this shard are complete, and their lines
    ATTEMPTS#tenant#job        span-number           how often a redelivered message was attempted

A span is recorded and counted in one transaction. The spans of a job are spread over `SHARDS` partitions, because many workers
complete spans at the same time, and each transaction changes the count of a shard.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from heapq import merge
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from pigeonhole.aws.dynamodb.items import StoredRecord
from pigeonhole.aws.dynamodb.table import IS_ABSENT, LOST_RACE, DynamoTable, ItemKey
from pigeonhole.bulk.ports import CompletedSpan, SpanCounts
from pigeonhole.contract.bulk_results import PartFile
from pigeonhole.errors import Overloaded
from pigeonhole.jobs.job import Job
from pigeonhole.jobs.update import backoff_s

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SHARDS = 64  # a transaction on a shard's count takes about 10 ms, and ten thousand workers may complete 1,500 spans a second
ATTEMPTS = 5  # at a transaction that meets another one of its shard
COUNT = "COUNT"
_BUSY = {"ThrottlingError", "ProvisionedThroughputExceeded", "TransactionConflict"}


class StoredPartFile(BaseModel):
    """A file of the results."""

    name: str
    rows: int
    bytes: int
    sha256: str

    def to_part_file(self) -> PartFile:
        """Convert to a file."""
        return PartFile(name=self.name, rows=self.rows, bytes=self.bytes, sha256=self.sha256)


class StoredSpan(StoredRecord):
    """The item of a complete span."""

    pk: str
    sk: str
    results: StoredPartFile
    errors: StoredPartFile | None = None
    model_id: str
    model_revision: str
    warnings: list[str] = Field(default_factory=list)
    expires_at: int

    @classmethod
    def from_span(cls, job: Job, span: CompletedSpan) -> StoredSpan:
        """Convert a complete span of a job."""
        return cls(
            **span_key(job, span.number),
            results=StoredPartFile(**asdict(span.results)),
            errors=StoredPartFile(**asdict(span.errors)) if span.errors else None,
            model_id=span.model_id,
            model_revision=span.model_revision,
            warnings=[*span.warnings],
            expires_at=job.expires_at,
        )

    def to_span(self) -> CompletedSpan:
        """Convert to a complete span."""
        return CompletedSpan(
            number=int(self.sk),
            results=self.results.to_part_file(),
            errors=self.errors.to_part_file() if self.errors else None,
            model_id=self.model_id,
            model_revision=self.model_revision,
            warnings=tuple(self.warnings),
        )


class StoredCount(StoredRecord):
    """The item of the counts of a shard."""

    spans: int
    succeeded: int
    failed: int
    updated_at: float


class DynamoSpanStore:
    """The SpanStore of a deployment."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        """Create the adapter for the table of that name."""
        self._table = DynamoTable(client, table)

    def complete(self, job: Job, span: CompletedSpan, now: float) -> bool:
        """Record a span and count it in one transaction. See `SpanStore.complete`."""
        key = span_key(job, span.number)
        counters = {"spans": 1, "succeeded": span.results.rows, "failed": span.failed}
        writes = [
            self._table.to_put(StoredSpan.from_span(job, span).to_item(), IS_ABSENT),
            self._table.to_add({"pk": key["pk"], "sk": COUNT}, counters, updated_at=now, expires_at=job.expires_at),
        ]
        for attempt in range(ATTEMPTS):
            if self._table.write_all(writes, lost=LOST_RACE | _BUSY):
                return True
            # Another transaction on the same shard's count isn't a lost race. Only the span's item says whether it was one.
            if self.is_complete(job, span.number):
                return False
            time.sleep(backoff_s(attempt))
        raise Overloaded()

    def is_complete(self, job: Job, number: int) -> bool:
        """Read whether a span's item exists."""
        return self._table.get(span_key(job, number)) is not None

    def may_be_last(self, job: Job, number: int, spans: int) -> bool:
        """Read the count of the span's shard. See `SpanStore.may_be_last`."""
        item = self._table.get({"pk": span_key(job, number)["pk"], "sk": COUNT})
        return item is not None and StoredCount.read(item).spans == len(range(number % SHARDS, spans, SHARDS))

    def count(self, job: Job) -> SpanCounts:
        """Add up the counts of all shards, which one batch reads."""
        items = self._table.get_many([{"pk": span_partition(job, shard), "sk": COUNT} for shard in range(SHARDS)])
        counts = [StoredCount.read(item) for item in items]
        return SpanCounts(
            spans=sum(count.spans for count in counts),
            succeeded=sum(count.succeeded for count in counts),
            failed=sum(count.failed for count in counts),
            updated_at=max((count.updated_at for count in counts), default=None),
        )

    def list_complete(self, job: Job) -> Iterator[CompletedSpan]:
        """Merge the spans of all shards, of each of which a page is in memory."""
        return merge(*(self._list_shard(job, shard) for shard in range(SHARDS)), key=lambda span: span.number)

    def _list_shard(self, job: Job, shard: int) -> Iterator[CompletedSpan]:
        start: ItemKey | None = None
        while True:
            page = self._table.query(
                "pk = :pk AND sk < :count",
                {":pk": span_partition(job, shard), ":count": COUNT},
                start=start,
                ConsistentRead=True,
            )
            yield from (StoredSpan.read(item).to_span() for item in page.items)
            start = page.last_key
            if start is None:
                break

    def add_attempt(self, job: Job, number: int) -> int:
        """Add one to a counter. See `SpanStore.add_attempt`."""
        return self._table.add(_attempts_key(job, number), "attempts", expires_at=job.expires_at)

    def count_attempts(self, job: Job, number: int) -> int:
        """Read a counter. See `SpanStore.count_attempts`."""
        item = self._table.get(_attempts_key(job, number))
        return int(item["attempts"]) if item else 0


def span_partition(job: Job, shard: int) -> str:
    """Return the `pk` of a shard of a job's spans."""
    return f"SPANS#{job.tenant_id}#{job.id}#{shard}"


def span_key(job: Job, number: int) -> dict[str, Any]:
    """Return the key of a span's item."""
    return {"pk": span_partition(job, number % SHARDS), "sk": f"{number:08d}"}


def _attempts_key(job: Job, number: int) -> ItemKey:
    return {"pk": f"ATTEMPTS#{job.tenant_id}#{job.id}", "sk": f"span-{number:08d}"}
