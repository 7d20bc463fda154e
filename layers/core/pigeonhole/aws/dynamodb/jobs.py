"""Jobs, their parts and Idempotency-Keys in the table.

    index        hash key                    range key   items
    by-status    <tenant id>#<status>        sk          every job
    agenda       JOBS#<shard>                due_at      the jobs that the sweeper has to look at

Both indexes hold only keys, so progress of a job changes neither. The jobs that an index names are then read from the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pigeonhole.aws.dynamodb.items import Item
from pigeonhole.aws.dynamodb.job_records import (
    AGENDAS,
    StoredClaim,
    StoredJob,
    StoredPart,
    attempts_key,
    claim_key,
    job_key,
    jobs_partition,
    parts_partition,
    tenant_status,
)
from pigeonhole.aws.dynamodb.table import IS_ABSENT, LOST_RACE, Condition, DynamoTable, ItemKey, Write
from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.spans import Span
from pigeonhole.jobs.job import ALLOWED_BEFORE, IdempotencyClaim, Job, Part
from pigeonhole.jobs.ports import DueJobs
from pigeonhole.object_keys import sample_digits
from pigeonhole.ports import Page

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BY_STATUS, AGENDA = "by-status", "agenda"
AGENDA_KEY = ("agenda", "due_at", "pk", "sk")
_NOT_WRITTEN = LOST_RACE | {"ThrottlingError", "ProvisionedThroughputExceeded"}


class DynamoJobStore:
    """The JobStore of a deployment."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        """Create the adapter for the table of that name."""
        self._table = DynamoTable(client, table)

    def create(self, job: Job, claim: IdempotencyClaim | None) -> bool:
        """Create a job and its claim in one transaction. See `JobStore.create`."""
        writes = [self._table.to_put(StoredJob.from_job(job).to_item(), IS_ABSENT)]
        if claim:
            is_free = Condition("attribute_not_exists(pk) OR expires_at <= :now", {":now": int(job.created_at)})
            writes.append(self._table.to_put(StoredClaim.from_claim(claim).to_item(), is_free))
        return self._write(writes)

    def find_claim(self, tenant_id: str, key_hash: str) -> IdempotencyClaim | None:
        """Read a claim. See `JobStore.find_claim`."""
        item = self._table.get(claim_key(tenant_id, key_hash))
        return StoredClaim.read(item).to_claim() if item else None

    def get(self, tenant_id: str, job_id: str) -> Job | None:
        """Read a job."""
        item = self._table.get(job_key(tenant_id, job_id))
        return _to_job(item) if item else None

    def save(self, job: Job, part: Part | None = None) -> bool:
        """Write a job over its last version, in one transaction with a part. See `JobStore.save`."""
        # The version is enough for a correct writer. The statuses keep out any illegal transition, whatever a writer has read.
        statuses = sorted({job.status, *ALLOWED_BEFORE[job.status]})
        values = {f":s{number}": status for number, status in enumerate(statuses)}
        is_before = Condition(
            f"version = :version AND #status IN ({', '.join(values)})",
            {":version": job.version - 1, **values},
            {"#status": "status"},
        )
        writes = [self._table.to_put(StoredJob.from_job(job).to_item(), is_before)]
        if part:
            writes.append(self._table.to_put(StoredPart.from_part(job, part).to_item(), IS_ABSENT))
        return self._write(writes)

    def add_attempt(self, job: Job, span: Span) -> int:
        """Add one to a counter. See `JobStore.add_attempt`."""
        return self._table.add(attempts_key(job, span), "attempts", expires_at=job.expires_at)

    def count_attempts(self, job: Job, span: Span) -> int:
        """Read a counter. See `JobStore.count_attempts`."""
        item = self._table.get(attempts_key(job, span))
        return int(item["attempts"]) if item else 0

    def list_part_spans(self, tenant_id: str, job_id: str, within: Span) -> list[Span]:
        """Query the spans of parts. See `JobStore.list_part_spans`."""
        items = self._table.query_all(
            "pk = :pk AND sk BETWEEN :first AND :last",
            {
                ":pk": parts_partition(tenant_id, job_id),
                ":first": sample_digits(within.start),
                ":last": sample_digits(within.stop - 1),
            },
            ProjectionExpression="sk, stop",
        )
        return [Span(int(item["sk"]), int(item["stop"])) for item in items]

    def list_parts(self, tenant_id: str, job_id: str) -> list[Part]:
        """Query all parts of a job."""
        items = self._table.query_all("pk = :pk", {":pk": parts_partition(tenant_id, job_id)})
        return [StoredPart.read(item).to_part() for item in items]

    def list_page(self, tenant_id: str, status: JobStatus | None, limit: int, start: str | None) -> Page[Job]:
        """Query jobs, the newest first. See `JobStore.list_page`."""
        options: dict[str, Any] = {"ScanIndexForward": False, "Limit": limit + 1}
        if status is None:
            hash_key, partition = "pk", jobs_partition(tenant_id)
            options["ConsistentRead"] = True
        else:
            hash_key, partition = "tenant_status", tenant_status(tenant_id, status)
            options["IndexName"] = BY_STATUS
        items = self._table.query(
            f"{hash_key} = :pk" + (" AND sk < :start" if start else ""), {":pk": partition, ":start": start or None}, **options
        ).items
        if status is None:
            jobs = [_to_job(item) for item in items[:limit]]
        else:
            # The index may lag behind the table: a job may have another status by now.
            jobs = [job for job in map(_to_job, self._read_indexed(items[:limit])) if job.status is status]
        return Page(jobs, next=items[limit - 1]["sk"] if len(items) > limit else None)

    def list_due(self, now: float, limit: int, start: object | None = None) -> DueJobs:
        """Query all hash keys of the agenda, and merge their items. See `JobStore.list_due`."""
        starts: dict[str, ItemKey] = dict(start) if isinstance(start, Mapping) else {}
        pages = [
            self._table.query(
                "agenda = :agenda AND due_at <= :now",
                {":agenda": agenda, ":now": now},
                start=starts.get(agenda),
                IndexName=AGENDA,
                Limit=limit,
            )
            for agenda in AGENDAS
        ]
        found = sorted((item for page in pages for item in page.items), key=lambda item: (item["due_at"], item["sk"]))
        taken = found[:limit]
        has_more = len(found) > limit or any(page.last_key for page in pages)
        # The next page begins, in each hash key, after the last item that this page has taken from it.
        last_keys = {item["agenda"]: {name: item[name] for name in AGENDA_KEY} for item in taken}
        jobs, unreadable = [], []
        for item in self._read_indexed(taken):
            try:
                jobs.append(_to_job(item))
            except ValueError:
                unreadable.append(item["sk"])
        return DueJobs(jobs, unreadable, starts | last_keys if has_more else None)

    def _read_indexed(self, index_items: Sequence[Item]) -> list[Item]:
        """Read the jobs' items that an index named, in its order. Items that are deleted by now are left out."""
        items = self._table.get_many([{"pk": item["pk"], "sk": item["sk"]} for item in index_items])
        by_id = {item["sk"]: item for item in items}
        return [by_id[item["sk"]] for item in index_items if item["sk"] in by_id]

    def _write(self, writes: Sequence[Write]) -> bool:
        return self._table.write_all(writes, lost=_NOT_WRITTEN)


def _to_job(item: Item) -> Job:
    return StoredJob.read(item).to_job()
