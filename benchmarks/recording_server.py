"""The local stack's server, which also notes what is asked of the emulated AWS, a line of JSON each.

`RECORD` is the file of ministack's decisions: who, what, on what, of which keys of the table, and whether it may. `UNITS`,
where it is set, is that of the calls that AWS bills by what is in them: who, which operation, and DynamoDB's request units or
EventBridge's events.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

READS = ("GetItem", "BatchGetItem", "Query")
WRITES = ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems")
READ_BYTES, WRITE_BYTES = 4096, 1024  # of one request unit
EVENT_BYTES = 65_536  # of one event; a larger one is billed as several


def note_in(path: Path, line: Mapping[str, Any]) -> None:
    with path.open("a") as lines:
        lines.write(json.dumps(line) + "\n")


def record(path: Path) -> None:
    """Note every decision of ministack's IAM evaluator from now on.

    It is told which keys of a table a call is about, which ministack doesn't look at: so conditions on them count, as on AWS.
    """
    from ministack.core import iam_actions, iam_evaluator

    describe = iam_actions.dynamodb_service_context
    decide = iam_evaluator.enforce
    check = iam_evaluator.check_credentials
    asked: ContextVar[Iterator[list[str]]] = ContextVar("asked")  # of the request that is being decided on

    def note(access_key: str, action: str, resource: str, keys: list[str], allowed: bool) -> None:
        known = iam_evaluator.resolve_credential(access_key)
        principal = getattr(known, "principal_arn", "")
        note_in(path, {"principal": principal, "action": action, "resource": resource, "keys": keys, "allowed": allowed})

    def dynamodb_service_context(body: bytes) -> Any:
        asked.set(iter(leading_keys(json.loads(body or b"{}"))))
        return describe(body)

    def enforce(access_key: str, action: str, service: str, region: str, resource_arn: str = "*", **context: Any) -> Any:
        keys = next(asked.get(), []) if service == "dynamodb" else []
        if keys:
            context["service_context"] = {**context["service_context"], "dynamodb:LeadingKeys": keys}
        denied = decide(access_key, action, service, region, resource_arn, **context)
        note(access_key, action, resource_arn, keys, denied is None)
        return denied

    def check_credentials(access_key: str, service: str | None = None) -> Any:
        failure = check(access_key, service)
        note(access_key, f"{service}:(unknown to ministack)", "*", [], failure is None)
        return failure

    iam_actions.dynamodb_service_context = dynamodb_service_context
    iam_evaluator.enforce = enforce
    iam_evaluator.check_credentials = check_credentials


def leading_keys(asked: Mapping[str, Any]) -> list[list[str]]:
    """The partition keys that a call to DynamoDB is about, for each decision on it: of a transaction, one on each item."""
    if "TransactItems" in asked:
        return [[_leading_key(each) for each in item.values()] for item in asked["TransactItems"]]
    if "RequestItems" in asked:
        return [sorted({key["pk"]["S"] for wanted in asked["RequestItems"].values() for key in wanted["Keys"]})]
    if "KeyConditionExpression" in asked:  # of an index it is the index's own
        (name,) = re.findall(r"^\w+ = (:\w+)", asked["KeyConditionExpression"])
        return [[asked["ExpressionAttributeValues"][name]["S"]]]
    return [[_leading_key(asked)]] if "Key" in asked or "Item" in asked else [[]]


def _leading_key(asked: Mapping[str, Any]) -> str:
    found: str = (asked.get("Key") or asked["Item"])["pk"]["S"]
    return found


def record_units(path: Path) -> None:
    """Note what every call to DynamoDB and EventBridge is billed by from now on."""
    from ministack.services import dynamodb, eventbridge

    handle = dynamodb.handle_request

    async def handle_request(method: str, target: str, headers: dict[str, str], body: bytes, query: Any) -> Any:
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        if operation not in (*READS, *WRITES):
            return await handle(method, target, headers, body, query)
        asked = json.loads(body) | {"ReturnConsumedCapacity": "TOTAL"}
        status, more, content = await handle(method, target, headers, json.dumps(asked).encode(), query)
        answer, size = json.loads(content), dynamodb._item_size_bytes
        if operation in READS:
            _note_units(path, headers, query, operation, read=read_units(asked, answer, size))
        else:
            _note_units(path, headers, query, operation, write=write_units(asked, answer, size))
        return status, more, content

    take = eventbridge.handle_request

    async def take_request(method: str, target: str, headers: dict[str, str], body: bytes, query: Any) -> Any:
        if headers.get("x-amz-target", "").endswith(".PutEvents"):
            _note_units(path, headers, query, "PutEvents", events=events(json.loads(body)))
        return await take(method, target, headers, body, query)

    dynamodb.handle_request, eventbridge.handle_request = handle_request, take_request


def _note_units(path: Path, headers: dict[str, str], query: Any, operation: str, **units: float) -> None:
    from ministack.core import iam_evaluator
    from ministack.core.router import extract_access_key_id

    known = iam_evaluator.resolve_credential(extract_access_key_id(headers, query))
    who = {"principal": getattr(known, "principal_arn", ""), "operation": operation}
    note_in(path, who | {"read": 0.0, "write": 0.0, "events": 0.0} | units)


def events(asked: Mapping[str, Any]) -> float:
    """Events of a call, as AWS bills them: one for each entry, more for one above 64 KB."""
    told = ([entry.get(part, "") for part in ("Source", "DetailType", "Detail")] for entry in asked["Entries"])
    return float(sum(_rounded(sum(len(part.encode()) for part in parts), EVENT_BYTES) for parts in told))


def read_units(asked: Mapping[str, Any], answer: Mapping[str, Any], size: Callable[[Any], int]) -> float:
    """Read units of a call, by the items of its answer; ministack counts one for each call, however much it reads.

    What is left out of the answer by a projection is billed, too, and not seen here: our projections are of parts that are
    there before a worker writes one, which is rare, and of results of uploads, which are smaller than a unit.
    """
    if "RequestItems" in asked:  # a unit at least for each key, and each item is rounded up by itself
        return sum(
            max(len(wanted["Keys"]), sum(_rounded(size(item), READ_BYTES) for item in answer["Responses"].get(table, ())))
            * (1.0 if wanted.get("ConsistentRead") else 0.5)
            for table, wanted in asked["RequestItems"].items()
        )
    items = answer.get("Items", [answer.get("Item", {})])
    return _rounded(sum(map(size, items)), READ_BYTES) * (1.0 if asked.get("ConsistentRead") else 0.5)


def write_units(asked: Mapping[str, Any], answer: Mapping[str, Any], size: Callable[[Any], int]) -> float:
    """Write units of a call, indexes included, as ministack counts them; a transaction that was refused costs what it put."""
    consumed = answer.get("ConsumedCapacity")
    if consumed is not None:
        return float(sum(each["CapacityUnits"] for each in (consumed if isinstance(consumed, list) else [consumed])))
    puts = [item["Put"]["Item"] for item in asked.get("TransactItems", ()) if "Put" in item]
    return sum(2.0 * _rounded(size(put), WRITE_BYTES) for put in puts) if puts else 1.0


def _rounded(count: int, unit: int) -> int:
    return max(1, math.ceil(count / unit))


if __name__ == "__main__":
    del os.environ["PYTHONPATH"]  # how this module was found; the functions need not see it
    record(Path(os.environ.pop("RECORD")))
    if "UNITS" in os.environ:
        record_units(Path(os.environ.pop("UNITS")))

    from pigeonhole_cli.local.server import serve

    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
