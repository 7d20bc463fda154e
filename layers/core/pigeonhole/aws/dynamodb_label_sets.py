"""Label sets in the one table.

pk                     sk      holds
LABELSETS#<tenant id>  <name>  a label set; `options`: a LabelSetOptionsRecord
GONESETS#<tenant id>   <name>  the version that a removed one had, so that a new one of that name goes on from there
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from pigeonhole.aws.dynamodb import OVERTAKEN, Item, call, get_item, why_canceled
from pigeonhole.label_sets.label_set import LabelSet
from pigeonhole.label_sets.records import LabelSetOptionsRecord
from pigeonhole.ports import Page


class DynamoLabelSetStore:
    """The LabelSetStore of a deployment. `client`: a boto3 DynamoDB client."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def get(self, tenant_id: str, name: str) -> LabelSet | None:
        item = get_item(self._client, self._table, _at(tenant_id, name))
        return _set_of(item) if item else None

    def last_version(self, tenant_id: str, name: str) -> int:
        item = get_item(self._client, self._table, _gone(tenant_id, name))
        return int(item["version"]["N"]) if item else 0

    def save(self, label_set: LabelSet, known: int | None) -> bool:
        writes: list[Item] = [{"Put": {"TableName": self._table, "Item": _item_of(label_set), **_still(known)}}]
        if known is None:  # nor has one been made and removed since its version was chosen
            gone = {"Key": _gone(label_set.tenant_id, label_set.name), **_still(label_set.version - 1 or None)}
            writes.append({"ConditionCheck": {"TableName": self._table, **gone}})
        # Who was told nothing of its writing writes again: then it is this very set that stands in the way.
        return self._write(writes) or self.get(label_set.tenant_id, label_set.name) == label_set

    def delete(self, label_set: LabelSet) -> bool:
        key = _at(label_set.tenant_id, label_set.name)
        gone = {**_gone(label_set.tenant_id, label_set.name), "version": {"N": str(label_set.version)}}
        writes = [
            {"Delete": {"TableName": self._table, "Key": key, **_still(label_set.version)}},
            {"Put": {"TableName": self._table, "Item": gone}},
        ]
        return self._write(writes)

    def count(self, tenant_id: str, most: int) -> int:
        found, start = 0, None
        while found < most:
            page = call(
                self._client.query,
                TableName=self._table,
                Select="COUNT",
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": f"LABELSETS#{tenant_id}"}},
                Limit=most - found,
                **({"ExclusiveStartKey": start} if start else {}),
            )
            found += page["Count"]
            start = page.get("LastEvaluatedKey")
            if start is None:
                break
        return found

    def _write(self, writes: list[Item]) -> bool:
        """Make all changes or none. boto3's token makes a repeated try one transaction."""
        try:
            call(self._client.transact_write_items, TransactItems=writes)
        except ClientError as error:
            if why_canceled(error) & OVERTAKEN:
                return False
            raise
        return True

    def page(self, tenant_id: str, limit: int, start: str | None) -> Page[LabelSet]:
        found = call(
            self._client.query,
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression="pk = :pk" + (" AND sk > :start" if start else ""),
            ExpressionAttributeValues={
                ":pk": {"S": f"LABELSETS#{tenant_id}"},
                **({":start": {"S": start}} if start else {}),
            },
            Limit=limit + 1,
        )
        # A page of the table ends at 1 MB, too, before `limit` if the sets are large.
        items = found["Items"][:limit]
        more = len(found["Items"]) > limit or "LastEvaluatedKey" in found
        return Page([_set_of(item) for item in items], items[-1]["sk"]["S"] if more and items else None)


def _at(tenant_id: str, name: str) -> Item:
    return {"pk": {"S": f"LABELSETS#{tenant_id}"}, "sk": {"S": name}}


def _gone(tenant_id: str, name: str) -> Item:
    return {"pk": {"S": f"GONESETS#{tenant_id}"}, "sk": {"S": name}}


def _still(version: int | None) -> Item:
    """The condition that a set is in that version, or isn't there."""
    if version is None:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    return {"ConditionExpression": "version = :known", "ExpressionAttributeValues": {":known": {"N": str(version)}}}


def _item_of(label_set: LabelSet) -> Item:
    return {
        **_at(label_set.tenant_id, label_set.name),
        "tenant_id": {"S": label_set.tenant_id},
        "version": {"N": str(label_set.version)},
        "created_at": {"N": repr(label_set.created_at)},
        "updated_at": {"N": repr(label_set.updated_at)},
        "options": {"S": LabelSetOptionsRecord.from_options(label_set.options).to_json()},
    }


def _set_of(item: Item) -> LabelSet:
    return LabelSet(
        tenant_id=item["tenant_id"]["S"],
        name=item["sk"]["S"],
        version=int(item["version"]["N"]),
        created_at=float(item["created_at"]["N"]),
        updated_at=float(item["updated_at"]["N"]),
        options=LabelSetOptionsRecord.from_json(item["options"]["S"]).to_options(),
    )
