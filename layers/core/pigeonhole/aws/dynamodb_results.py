"""Results of uploaded objects in the one table.

pk                   sk          holds
OBJECTS#<tenant id>  <its key>   what became of the object that was uploaded last; `told`: JSON

index     hash key              range key   has
by-time   timeline: the tenant  at          every result, whole
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pigeonhole.aws.dynamodb import Item, call, get_item, get_items
from pigeonhole.contract.upload_results import UploadResult
from pigeonhole.ports import Page
from pigeonhole.uploads.upload_result import ObjectResult

BY_TIME = "by-time"
READ_AT_ONCE, LOOKS = 100, 10  # results of the index that are looked at for a page of ours, and how often

# ObjectResult.may_replace, where the table can see it.
_MAY_REPLACE = (
    "attribute_not_exists(pk) OR sequencer < :sequencer OR (sequencer = :sequencer AND (job_id = :job OR #status = :failed))"
)


class DynamoUploadResultStore:
    """The UploadResultStore of a deployment. `client`: a boto3 DynamoDB client."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def save(self, result: ObjectResult) -> bool:
        item = _item_of(result)
        try:
            call(
                self._client.put_item,
                TableName=self._table,
                Item=item,
                ConditionExpression=_MAY_REPLACE,
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={
                    ":sequencer": item["sequencer"],
                    ":job": item["job_id"],
                    ":failed": {"S": "failed"},
                },
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def get(self, tenant_id: str, key: str) -> ObjectResult | None:
        item = get_item(self._client, self._table, _at(tenant_id, key))
        return _result_of(item) if item else None

    def sequencers(self, tenant_id: str, keys: Sequence[str]) -> dict[str, str]:
        places = [_at(tenant_id, key) for key in dict.fromkeys(keys)]
        found = get_items(self._client, self._table, places, ProjectionExpression="sk, sequencer, job_id")
        return {item["sk"]["S"]: item["sequencer"]["S"] for item in found if item["job_id"]["S"]}

    def page(self, tenant_id: str, prefix: str, limit: int, start: str | None) -> Page[ObjectResult]:
        found = call(
            self._client.query,
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression="pk = :pk" + (" AND begins_with(sk, :prefix)" if prefix else ""),
            ExpressionAttributeValues={":pk": {"S": f"OBJECTS#{tenant_id}"}, **_prefix(prefix)},
            Limit=limit + 1,
            **({"ExclusiveStartKey": _at(tenant_id, start)} if start else {}),
        )
        results = [_result_of(item) for item in found["Items"][:limit]]
        # A page of the table ends at 1 MB, too.
        more = len(found["Items"]) > limit or "LastEvaluatedKey" in found
        return Page(results, results[-1].key if more and results else None)

    def newest(
        self, tenant_id: str, prefix: str, since: float, until: float, limit: int, start: str | None
    ) -> Page[ObjectResult]:
        query: Item = {
            "IndexName": BY_TIME,
            "KeyConditionExpression": "timeline = :tenant AND #at BETWEEN :since AND :until",
            "ExpressionAttributeNames": {"#at": "at"},
            "ExpressionAttributeValues": {
                ":tenant": {"S": tenant_id},
                ":since": _number(since),
                ":until": _number(until),
                **_prefix(prefix),
            },
            "ScanIndexForward": False,
            **({"FilterExpression": "begins_with(sk, :prefix)"} if prefix else {}),
            **({"ExclusiveStartKey": _in_index(tenant_id, start)} if start else {}),
        }
        items: list[Item] = []
        at_once = max(limit + 1, READ_AT_ONCE) if prefix else limit + 1
        for _ in range(LOOKS):
            page = call(self._client.query, TableName=self._table, Limit=at_once, **query)
            items += page["Items"]
            if len(items) > limit or "LastEvaluatedKey" not in page:
                break
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]
        last = items[limit - 1] if len(items) > limit else page.get("LastEvaluatedKey")
        following = f"{last['at']['N']} {last['sk']['S']}" if last else None
        return Page([_result_of(item) for item in items[:limit]], following)


def _at(tenant_id: str, key: str) -> Item:
    return {"pk": {"S": f"OBJECTS#{tenant_id}"}, "sk": {"S": key}}


def _in_index(tenant_id: str, start: str) -> Item:
    at, _, key = start.partition(" ")
    return {**_at(tenant_id, key), "timeline": {"S": tenant_id}, "at": {"N": at}}


def _prefix(prefix: str) -> Item:
    return {":prefix": {"S": prefix}} if prefix else {}  # an empty one is none to the table


def _number(value: float) -> Item:
    return {"N": repr(value)}


def _item_of(result: ObjectResult) -> Item:
    return {
        **_at(result.tenant_id, result.key),
        "tenant_id": {"S": result.tenant_id},
        "timeline": {"S": result.tenant_id},
        "at": _number(result.at),
        "sequencer": {"S": result.sequencer},
        "job_id": {"S": result.told.job_id or ""},
        "status": {"S": result.told.status},
        "expires_at": _number(result.expires_at),
        "told": {"S": result.told.model_dump_json(exclude_none=True)},
    }


def _result_of(item: Item) -> ObjectResult:
    return ObjectResult(
        tenant_id=item["tenant_id"]["S"],
        sequencer=item["sequencer"]["S"],
        at=float(item["at"]["N"]),
        expires_at=int(item["expires_at"]["N"]),
        told=UploadResult.model_validate_json(item["told"]["S"]),
    )
