"""Results of uploads in the table.

index     hash key              range key   items
by-time   timeline: the tenant  at          every result, with all attributes
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Self

from pydantic import Field

from pigeonhole.aws.dynamodb.items import Item, StoredRecord
from pigeonhole.aws.dynamodb.table import Condition, DynamoTable, ItemKey
from pigeonhole.ports import Page
from pigeonhole.uploads.records import UploadResultRecord
from pigeonhole.uploads.upload_result import UploadResult

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BY_TIME = "by-time"
MIN_FILTERED_ITEMS = 100  # items that a query reads at once if it filters them by a prefix
MAX_QUERIES = 10  # queries for one page of results, of which many may find nothing

# What UploadResult.may_replace says, as a condition on the stored item.
_MAY_REPLACE = (
    "attribute_not_exists(pk) OR sequencer < :sequencer OR (sequencer = :sequencer AND (job_id = :job OR #status = :failed))"
)


class StoredUploadResult(StoredRecord):
    """The item of an upload's result.

    Attributes:
        sk: The upload's object key.
        timeline: The hash key of the index `by-time`: the tenant's id.
        at: The range key of the index: seconds since 1970, UTC.
        sequencer: The order of the uploads of one object key.
        job_id: Empty if no job classified the upload.
        result_json: The result as JSON (UploadResultRecord). The attribute has had another name since the first release.
    """

    pk: str
    sk: str
    tenant_id: str
    timeline: str
    at: float
    sequencer: str
    job_id: str
    status: str
    expires_at: int
    result_json: str = Field(validation_alias="told", serialization_alias="told")

    @classmethod
    def from_result(cls, result: UploadResult) -> Self:
        """Convert a result."""
        return cls(
            **_item_key(result.tenant_id, result.object_key),
            tenant_id=result.tenant_id,
            timeline=result.tenant_id,
            at=result.classified_at,
            sequencer=result.sequencer,
            job_id=result.job_id or "",
            status=result.status,
            expires_at=result.expires_at,
            result_json=UploadResultRecord.from_result(result).to_json(),
        )

    def to_result(self) -> UploadResult:
        """Convert to a result."""
        return UploadResultRecord.from_json(self.result_json).to_result(
            tenant_id=self.tenant_id,
            sequencer=self.sequencer,
            classified_at=self.at,
            expires_at=self.expires_at,
        )


class DynamoUploadResultStore:
    """The UploadResultStore of a deployment."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        """Create the adapter for the table of that name."""
        self._table = DynamoTable(client, table)

    def save(self, result: UploadResult) -> bool:
        """Write a result if it may replace the stored one. See `UploadResultStore.save`."""
        stored = StoredUploadResult.from_result(result)
        values = {":sequencer": stored.sequencer, ":job": stored.job_id, ":failed": "failed"}
        return self._table.put(stored.to_item(), Condition(_MAY_REPLACE, values, {"#status": "status"}))

    def get(self, tenant_id: str, object_key: str) -> UploadResult | None:
        """Read the result of an object key."""
        item = self._table.get(_item_key(tenant_id, object_key))
        return _to_result(item) if item else None

    def sequencers(self, tenant_id: str, object_keys: Sequence[str]) -> dict[str, str]:
        """Read the sequencers of results. See `UploadResultStore.sequencers`."""
        item_keys = [_item_key(tenant_id, object_key) for object_key in dict.fromkeys(object_keys)]
        items = self._table.get_many(item_keys, ProjectionExpression="sk, sequencer, job_id")
        return {item["sk"]: item["sequencer"] for item in items if item["job_id"]}

    def page(self, tenant_id: str, prefix: str, limit: int, start: str | None) -> Page[UploadResult]:
        """Query results by object key. See `UploadResultStore.page`."""
        page = self._table.query(
            "pk = :pk" + (" AND begins_with(sk, :prefix)" if prefix else ""),
            {":pk": _partition(tenant_id), ":prefix": prefix or None},  # DynamoDB refuses an empty prefix
            start=_item_key(tenant_id, start) if start else None,
            Limit=limit + 1,
            ConsistentRead=True,
        )
        results = [_to_result(item) for item in page.items[:limit]]
        # DynamoDB ends a page at 1 MB, which may be before `limit`.
        has_more = len(page.items) > limit or page.last_key is not None
        return Page(results, results[-1].object_key if has_more and results else None)

    def newest(
        self, tenant_id: str, prefix: str, since: float, until: float, limit: int, start: str | None
    ) -> Page[UploadResult]:
        """Query results by time, the newest first. See `UploadResultStore.newest`."""
        index_key = _index_key(tenant_id, start) if start else None
        options = {"FilterExpression": "begins_with(sk, :prefix)"} if prefix else {}
        items: list[Item] = []
        for _ in range(MAX_QUERIES):
            page = self._table.query(
                "timeline = :tenant AND #at BETWEEN :since AND :until",
                {":tenant": tenant_id, ":since": since, ":until": until, ":prefix": prefix or None},
                start=index_key,
                IndexName=BY_TIME,
                ExpressionAttributeNames={"#at": "at"},
                ScanIndexForward=False,
                Limit=max(limit + 1, MIN_FILTERED_ITEMS) if prefix else limit + 1,
                **options,
            )
            items += page.items
            index_key = page.last_key
            if len(items) > limit or index_key is None:
                break
        last = items[limit - 1] if len(items) > limit else index_key
        following = f"{last['at']} {last['sk']}" if last else None
        return Page([_to_result(item) for item in items[:limit]], following)


def _to_result(item: Item) -> UploadResult:
    return StoredUploadResult.read(item).to_result()


def _partition(tenant_id: str) -> str:
    return f"OBJECTS#{tenant_id}"


def _item_key(tenant_id: str, object_key: str) -> ItemKey:
    return {"pk": _partition(tenant_id), "sk": object_key}


def _index_key(tenant_id: str, start: str) -> ItemKey:
    """Return the place in the index `by-time` that a page named: a time and an object key."""
    at, _, object_key = start.partition(" ")
    return {**_item_key(tenant_id, object_key), "timeline": tenant_id, "at": Decimal(at)}
