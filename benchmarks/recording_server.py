"""The local stack's server, which also records the calls to the emulated AWS: one JSON object per line.

Environment variables name the files:

- `RECORD`: the decisions of ministack's IAM evaluator. A line has the caller, the action, the resource, the table's partition
  keys or the listed prefix of a bucket, and whether the call was allowed.
- `UNITS` (optional): the calls that AWS bills by their content. A line has the caller, the operation, and DynamoDB's request
  units or EventBridge's events.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

READS = ("GetItem", "BatchGetItem", "Query")
WRITES = ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems")
READ_BYTES, WRITE_BYTES = 4096, 1024  # of one request unit
EVENT_BYTES = 65_536  # of one event; AWS bills a larger one as several


def append_line(path: Path, line: Mapping[str, Any]) -> None:
    """Append a JSON object to a file, on a line of its own."""
    with path.open("a") as lines:
        lines.write(json.dumps(line) + "\n")


def record_decisions(path: Path) -> None:
    """Record every decision of ministack's IAM evaluator from now on.

    ministack doesn't look at the partition keys of a call. This function passes them to the evaluator, so that policy
    conditions on keys apply as on AWS.
    """
    from ministack.core import iam_actions, iam_evaluator

    describe = iam_actions.dynamodb_service_context
    decide = iam_evaluator.enforce
    check = iam_evaluator.check_credentials
    # The partition keys of the request that is being evaluated, for one decision after the other.
    partition_keys: ContextVar[Iterator[list[str]]] = ContextVar("partition_keys")

    def append_decision(access_key: str, action: str, resource: str, keys: list[str], allowed: bool) -> None:
        credential = iam_evaluator.resolve_credential(access_key)
        principal = getattr(credential, "principal_arn", "")
        append_line(path, {"principal": principal, "action": action, "resource": resource, "keys": keys, "allowed": allowed})

    def dynamodb_service_context(body: bytes) -> Any:
        partition_keys.set(iter(leading_keys(json.loads(body or b"{}"))))
        return describe(body)

    def enforce(access_key: str, action: str, service: str, region: str, resource_arn: str = "*", **context: Any) -> Any:
        keys = next(partition_keys.get(), []) if service == "dynamodb" else []
        if keys:
            context["service_context"] = {**context["service_context"], "dynamodb:LeadingKeys": keys}
        denied = decide(access_key, action, service, region, resource_arn, **context)
        listed = (context.get("service_context") or {}).get("s3:prefix")
        append_decision(access_key, action, resource_arn, keys or ([listed] if listed else []), denied is None)
        return denied

    def check_credentials(access_key: str, service: str | None = None) -> Any:
        failure = check(access_key, service)
        append_decision(access_key, f"{service}:(unknown to ministack)", "*", [], failure is None)
        return failure

    iam_actions.dynamodb_service_context = dynamodb_service_context
    iam_evaluator.enforce = enforce
    iam_evaluator.check_credentials = check_credentials


def leading_keys(request: Mapping[str, Any]) -> list[list[str]]:
    """List the partition keys of a call to DynamoDB, for each decision on the call.

    A transaction has one decision per item.
    """
    if "TransactItems" in request:
        return [[_leading_key(operation) for operation in item.values()] for item in request["TransactItems"]]
    if "RequestItems" in request:
        return [sorted({key["pk"]["S"] for batch in request["RequestItems"].values() for key in batch["Keys"]})]
    if "KeyConditionExpression" in request:  # the partition key of the table, or of an index
        (name,) = re.findall(r"^\w+ = (:\w+)", request["KeyConditionExpression"])
        return [[request["ExpressionAttributeValues"][name]["S"]]]
    return [[_leading_key(request)]] if "Key" in request or "Item" in request else [[]]


def _leading_key(operation: Mapping[str, Any]) -> str:
    partition_key: str = (operation.get("Key") or operation["Item"])["pk"]["S"]
    return partition_key


def record_units(path: Path) -> None:
    """Record what AWS bills for each call to DynamoDB and EventBridge from now on."""
    from ministack.services import dynamodb, eventbridge

    handle_dynamodb = dynamodb.handle_request
    handle_eventbridge = eventbridge.handle_request

    async def handle_dynamodb_request(method: str, target: str, headers: dict[str, str], body: bytes, query: Any) -> Any:
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        if operation not in (*READS, *WRITES):
            return await handle_dynamodb(method, target, headers, body, query)
        request = json.loads(body) | {"ReturnConsumedCapacity": "TOTAL"}
        status, response_headers, content = await handle_dynamodb(method, target, headers, json.dumps(request).encode(), query)
        response, size = json.loads(content), dynamodb._item_size_bytes
        if operation in READS:
            _append_units(path, headers, query, operation, read=count_read_units(request, response, size))
        else:
            _append_units(path, headers, query, operation, write=count_write_units(request, response, size))
        return status, response_headers, content

    async def handle_eventbridge_request(method: str, target: str, headers: dict[str, str], body: bytes, query: Any) -> Any:
        if headers.get("x-amz-target", "").endswith(".PutEvents"):
            _append_units(path, headers, query, "PutEvents", events=count_events(json.loads(body)))
        return await handle_eventbridge(method, target, headers, body, query)

    dynamodb.handle_request, eventbridge.handle_request = handle_dynamodb_request, handle_eventbridge_request


def _append_units(path: Path, headers: dict[str, str], query: Any, operation: str, **units: float) -> None:
    from ministack.core import iam_evaluator
    from ministack.core.router import extract_access_key_id

    credential = iam_evaluator.resolve_credential(extract_access_key_id(headers, query))
    caller = {"principal": getattr(credential, "principal_arn", ""), "operation": operation}
    append_line(path, caller | {"read": 0.0, "write": 0.0, "events": 0.0} | units)


def count_events(request: Mapping[str, Any]) -> float:
    """Count the events that AWS bills for a call: one per entry, and several for an entry above 64 KB."""
    entries = ([entry.get(part, "") for part in ("Source", "DetailType", "Detail")] for entry in request["Entries"])
    return float(sum(_to_units(sum(len(part.encode()) for part in parts), EVENT_BYTES) for parts in entries))


def count_read_units(request: Mapping[str, Any], response: Mapping[str, Any], size: Callable[[Any], int]) -> float:
    """Count the read units of a call by the items of its response. ministack counts one per call, whatever the call reads.

    AWS also bills what a projection leaves out of the response. This function can't see that. The service projects two
    kinds of items. Parts that exist before a worker writes one are rare. Results of uploads are smaller than a unit.

    Args:
        request: The call's body.
        response: The body of its response.
        size: The size of an item in bytes.
    """
    if "RequestItems" in request:  # at least one unit per key, and each item is rounded up separately
        return sum(
            max(len(batch["Keys"]), sum(_to_units(size(item), READ_BYTES) for item in response["Responses"].get(table, ())))
            * (1.0 if batch.get("ConsistentRead") else 0.5)
            for table, batch in request["RequestItems"].items()
        )
    items = response.get("Items", [response.get("Item", {})])
    return _to_units(sum(map(size, items)), READ_BYTES) * (1.0 if request.get("ConsistentRead") else 0.5)


def count_write_units(request: Mapping[str, Any], response: Mapping[str, Any], size: Callable[[Any], int]) -> float:
    """Count the write units of a call, indexes included, as ministack does. A refused transaction costs as much as its puts.

    Args:
        request: The call's body.
        response: The body of its response.
        size: The size of an item in bytes.
    """
    consumed = response.get("ConsumedCapacity")
    if consumed is not None:
        tables = consumed if isinstance(consumed, list) else [consumed]
        return float(sum(table["CapacityUnits"] for table in tables))
    puts = [item["Put"]["Item"] for item in request.get("TransactItems", ()) if "Put" in item]
    return sum(2.0 * _to_units(size(put), WRITE_BYTES) for put in puts) if puts else 1.0


def _to_units(size_bytes: int, unit_bytes: int) -> int:
    return max(1, math.ceil(size_bytes / unit_bytes))


if __name__ == "__main__":
    del os.environ["PYTHONPATH"]  # it led to this module; the functions must not inherit it
    record_decisions(Path(os.environ.pop("RECORD")))
    if "UNITS" in os.environ:
        record_units(Path(os.environ.pop("UNITS")))

    from pigeonhole_cli.local.server import main

    main()
