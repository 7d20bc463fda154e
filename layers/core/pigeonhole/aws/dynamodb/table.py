"""The deployment's table, with plain values in and out."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

from pigeonhole.aws.dynamodb.items import Item, TaggedItem, from_tagged, to_tagged
from pigeonhole.errors import Overloaded

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ItemKey: TypeAlias = dict[str, Any]  # `pk` and `sk`
Write: TypeAlias = dict[str, Any]  # one of a transaction's
Result = TypeVar("Result")

MAX_BATCH_KEYS = 100  # of one BatchGetItem
MAX_BATCH_ATTEMPTS, FIRST_PAUSE_S = 8, 0.05  # for keys that a busy table leaves out of a batch
LOST_RACE = frozenset({"ConditionalCheckFailed", "TransactionConflict"})  # another writer was faster
_BUSY = {
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
    "TransactionConflictException",
    "TransactionInProgressException",
}


@dataclass(frozen=True)
class Condition:
    """What must hold of the stored item, so that a write takes place.

    Attributes:
        expression: A ConditionExpression.
        values: Plain values of the expression's `:names`.
        names: Attributes of the expression's `#names`.
    """

    expression: str
    values: Mapping[str, object] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def to_arguments(self) -> dict[str, Any]:
        """Return the condition as arguments of a boto3 call."""
        return {
            "ConditionExpression": self.expression,
            **({"ExpressionAttributeValues": to_tagged(self.values)} if self.values else {}),
            **({"ExpressionAttributeNames": dict(self.names)} if self.names else {}),
        }


IS_ABSENT = Condition("attribute_not_exists(pk)")


@dataclass(frozen=True)
class QueryPage:
    """One page of a query.

    Attributes:
        items: The items, as plain values.
        last_key: Where the next page begins; None at the end.
    """

    items: list[Item]
    last_key: ItemKey | None


class DynamoTable:
    """The table of a deployment.

    All methods raise Overloaded where a retry may help. Any other ClientError is a fault of ours.
    """

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        """Create the table for a client and a name."""
        self._client = client
        self._name = name

    def get(self, key: ItemKey) -> Item | None:
        """Read an item with a consistent read."""
        answer = call(self._client.get_item, TableName=self._name, Key=to_tagged(key), ConsistentRead=True)
        return from_tagged(answer["Item"]) if "Item" in answer else None

    def get_many(self, keys: Sequence[ItemKey], **options: Any) -> list[Item]:
        """Read items with consistent reads, in no order. Items that don't exist are left out.

        Args:
            keys: Keys of items, each once.
            options: More arguments of BatchGetItem, such as ProjectionExpression.
        """
        items: list[Item] = []
        pending, attempts = [to_tagged(key) for key in keys], 0
        while pending:
            request: Any = {"Keys": pending[:MAX_BATCH_KEYS], "ConsistentRead": True, **options}
            answer = call(self._client.batch_get_item, RequestItems={self._name: request})
            batch = answer["Responses"].get(self._name, [])
            items += map(from_tagged, batch)
            left_out: Any = answer.get("UnprocessedKeys", {}).get(self._name)
            unprocessed = left_out["Keys"] if left_out else []
            pending = unprocessed + pending[MAX_BATCH_KEYS:]
            if not unprocessed:
                continue
            # The table also leaves out what exceeds 16 MB. Such a batch makes progress, so it isn't a busy table.
            attempts = 0 if batch else attempts + 1
            if attempts == MAX_BATCH_ATTEMPTS:
                raise Overloaded()
            time.sleep(random.uniform(0, FIRST_PAUSE_S * 2**attempts))  # noqa: S311 - no secret
        return items

    def query(self, condition: str, values: Mapping[str, object], *, start: ItemKey | None = None, **options: Any) -> QueryPage:
        """Read one page of a query.

        Args:
            condition: The KeyConditionExpression.
            values: Plain values of the expression's `:names`.
            start: An earlier page's `last_key`.
            options: More arguments of Query, such as Limit. `ConsistentRead` isn't possible with an index.
        """
        answer = call(self._client.query, **self._query(condition, values, start, options))
        last_key = answer.get("LastEvaluatedKey")
        return QueryPage([from_tagged(item) for item in answer["Items"]], from_tagged(last_key) if last_key else None)

    def query_all(self, condition: str, values: Mapping[str, object], **options: Any) -> list[Item]:
        """Read all pages of a query of the table, with consistent reads."""
        items: list[Item] = []
        start: ItemKey | None = None
        while True:
            page = self.query(condition, values, start=start, ConsistentRead=True, **options)
            items += page.items
            start = page.last_key
            if start is None:
                return items

    def count(self, condition: str, values: Mapping[str, object], most: int) -> int:
        """Count the items of a query; return `most` if there are more."""
        count = 0
        start: ItemKey | None = None
        while count < most:
            arguments = self._query(condition, values, start, {"Select": "COUNT", "Limit": most - count})
            answer = call(self._client.query, **arguments)
            count += answer["Count"]
            last_key = answer.get("LastEvaluatedKey")
            if not last_key:
                break
            start = from_tagged(last_key)
        return count

    def put(self, item: Item, condition: Condition) -> bool:
        """Write an item. Return False, and write nothing, if the condition doesn't hold."""
        return self._try(self._client.put_item, Item=to_tagged(item), **condition.to_arguments())

    def delete(self, key: ItemKey, condition: Condition) -> bool:
        """Delete an item. Return False, and delete nothing, if the condition doesn't hold."""
        return self._try(self._client.delete_item, Key=to_tagged(key), **condition.to_arguments())

    def add(self, key: ItemKey, counter: str, **attributes: object) -> int:
        """Add one to a number of an item, set other attributes, and return the new number."""
        assignments = ", ".join(f"{name} = :{name}" for name in attributes)
        values: dict[str, object] = {":one": 1, **{f":{name}": value for name, value in attributes.items()}}
        answer = call(
            self._client.update_item,
            TableName=self._name,
            Key=to_tagged(key),
            UpdateExpression=f"ADD {counter} :one SET {assignments}",
            ExpressionAttributeValues=to_tagged(values),
            ReturnValues="UPDATED_NEW",
        )
        return int(from_tagged(answer["Attributes"])[counter])

    def write_all(self, writes: Sequence[Write], *, lost: Collection[str] = ()) -> bool:
        """Make all writes of a transaction or none.

        boto3 gives the transaction a token, so a repeated attempt is the same transaction: an answer that was lost isn't taken
        for a lost race.

        Args:
            writes: What `to_put`, `to_update`, `to_delete` and `to_check` return.
            lost: Codes of cancellation reasons that mean a lost race.

        Returns:
            False if the transaction was canceled for a reason in `lost`.
        """
        try:
            call(self._client.transact_write_items, TransactItems=list(writes))
        except ClientError as error:
            reasons: Any = error.response.get("CancellationReasons", ())
            if {str(reason.get("Code")) for reason in reasons} & set(lost):
                return False
            raise
        return True

    def to_put(self, item: Item, condition: Condition | None = None) -> Write:
        """Return a transaction's write of an item."""
        return {"Put": {"TableName": self._name, "Item": to_tagged(item), **_arguments(condition)}}

    def to_update(self, key: ItemKey, attribute: str, value: object, condition: str) -> Write:
        """Return a transaction's change of one attribute."""
        return {
            "Update": {
                "TableName": self._name,
                "Key": to_tagged(key),
                "UpdateExpression": f"SET {attribute} = :value",
                "ConditionExpression": condition,
                "ExpressionAttributeValues": to_tagged({":value": value}),
            }
        }

    def to_add(self, key: ItemKey, counters: Mapping[str, int], **attributes: object) -> Write:
        """Return a transaction's addition to numbers of an item, which also sets other attributes."""
        additions = ", ".join(f"{name} :add_{name}" for name in counters)
        assignments = ", ".join(f"{name} = :{name}" for name in attributes)
        values = {f":add_{name}": count for name, count in counters.items()}
        return {
            "Update": {
                "TableName": self._name,
                "Key": to_tagged(key),
                "UpdateExpression": f"ADD {additions} SET {assignments}",
                "ExpressionAttributeValues": to_tagged({**values, **{f":{name}": value for name, value in attributes.items()}}),
            }
        }

    def to_delete(self, key: ItemKey, condition: Condition | None = None) -> Write:
        """Return a transaction's deletion of an item."""
        return {"Delete": {"TableName": self._name, "Key": to_tagged(key), **_arguments(condition)}}

    def to_check(self, key: ItemKey, condition: Condition) -> Write:
        """Return a transaction's check of an item that it doesn't write."""
        return {"ConditionCheck": {"TableName": self._name, "Key": to_tagged(key), **condition.to_arguments()}}

    def _query(
        self, condition: str, values: Mapping[str, object], start: ItemKey | None, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {
            "TableName": self._name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": to_tagged(values),
            **({"ExclusiveStartKey": to_tagged(start)} if start else {}),
            **options,
        }

    def _try(self, operation: Callable[..., object], **arguments: Any) -> bool:
        try:
            call(operation, TableName=self._name, **arguments)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return False
        return True


def call(operation: Callable[..., Result], **arguments: Any) -> Result:
    """Run a DynamoDB call.

    Raises:
        Overloaded: A retry may help.
        ClientError: The call has a fault, which is ours.
    """
    try:
        return operation(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] in _BUSY:
            raise Overloaded() from error
        raise
    except (BotoConnectionError, HTTPClientError) as error:
        raise Overloaded() from error


def _arguments(condition: Condition | None) -> TaggedItem:
    return {} if condition is None else condition.to_arguments()
