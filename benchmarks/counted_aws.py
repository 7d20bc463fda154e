"""AWS in this process, by moto, with clients that count what AWS bills and which items are written and read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from moto import mock_aws

from pigeonhole.aws.dynamodb.items import from_tagged
from pigeonhole_cli.local.stack import read_template
from recording_server import WRITE_BYTES, count_read_units

REGION, TABLE, BUCKET = "us-east-1", "pigeonhole", "jobs"
TEMPLATE = Path(__file__).resolve().parents[1] / "template.yaml"
Item = tuple[str, str]  # pk and sk
FIRST_MESSAGES = 1_000


@dataclass
class Ledger:
    """What was counted.

    Attributes:
        billed: What AWS bills: `s3_puts`, `s3_gets`, `sqs_requests`, `write_units`, `read_units`.
        written: Write units by item, without those of the indexes.
        read: Read units by item.
        gets: GETs by object key.
        calls: The number of calls to DynamoDB, S3 and SQS.
        sizes: The bytes of each item that was written.
    """

    billed: Counter[str] = field(default_factory=Counter)
    written: Counter[Item] = field(default_factory=Counter)
    read: Counter[Item] = field(default_factory=Counter)
    gets: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    sizes: dict[Item, int] = field(default_factory=dict)

    def __sub__(self, earlier: Ledger) -> Ledger:
        """Return what was counted since then."""
        return Ledger(
            billed=self.billed - earlier.billed,
            written=self.written - earlier.written,
            read=self.read - earlier.read,
            gets=self.gets - earlier.gets,
            calls=self.calls - earlier.calls,
        )

    def copy(self) -> Ledger:
        """Return what was counted so far."""
        return Ledger(self.billed.copy(), self.written.copy(), self.read.copy(), self.gets.copy(), self.calls)

    def add_get(self, object_key: str) -> None:
        """Count a GET."""
        self.calls += 1
        self.billed["s3_gets"] += 1
        self.gets[object_key] += 1


class CountedDynamo:
    """A DynamoDB client. Units follow the sizes of items, as AWS counts them; moto doesn't."""

    def __init__(self, client: Any, ledger: Ledger, indexes: Mapping[str, tuple[str, str]]) -> None:
        """Count the calls to a client. `indexes` are the hash key and the range key of each index."""
        self._client, self._ledger, self._indexes = client, ledger, indexes

    def get_item(self, **request: Any) -> Any:
        """Read an item."""
        response = self._client.get_item(**request)
        self._add_read(request, response, [_to_item(request["Key"])])
        return response

    def batch_get_item(self, **request: Any) -> Any:
        """Read several items."""
        response = self._client.batch_get_item(**request)
        keys = [_to_item(key) for batch in request["RequestItems"].values() for key in batch["Keys"]]
        self._add_read(request, response, keys)
        return response

    def query(self, **request: Any) -> Any:
        """Read a page of items."""
        self._ledger.calls += 1
        response = self._client.query(**request)
        self._ledger.billed["read_units"] += count_read_units(request, response, item_bytes)
        return response

    def put_item(self, **request: Any) -> Any:
        """Write an item."""
        return self._write(request["Item"], 1, self._client.put_item, request)

    def update_item(self, **request: Any) -> Any:
        """Change an item."""
        return self._write(request["Key"], 1, self._client.update_item, request)

    def transact_write_items(self, **request: Any) -> Any:
        """Write several items in a transaction, which costs twice as much."""
        changes = [change for operation in request["TransactItems"] for change in operation.values()]
        self._ledger.calls += 1
        before = [self._read(change.get("Item") or change["Key"]) for change in changes]
        response = self._client.transact_write_items(**request)
        for change, old in zip(changes, before, strict=True):
            self._add_write(change.get("Item") or change["Key"], old, 2)
        return response

    def _write(self, tagged_key: Any, factor: int, call: Any, request: Any) -> Any:
        self._ledger.calls += 1
        before = self._read(tagged_key)
        response = call(**request)
        self._add_write(tagged_key, before, factor)
        return response

    def _read(self, tagged: Any) -> dict[str, Any]:
        key = {name: tagged[name] for name in ("pk", "sk")}
        item: dict[str, Any] = self._client.get_item(TableName=TABLE, Key=key, ConsistentRead=True).get("Item", {})
        return item

    def _add_read(self, request: Any, response: Any, items: list[Item]) -> None:
        self._ledger.calls += 1
        units = count_read_units(request, response, item_bytes)
        self._ledger.billed["read_units"] += units
        for item in items:
            self._ledger.read[item] += units / len(items)

    def _add_write(self, tagged_key: Any, old: dict[str, Any], factor: int) -> None:
        new = self._read(tagged_key)
        self._ledger.sizes[_to_item(tagged_key)] = item_bytes(new)
        units = factor * max(1, -(-max(item_bytes(old), item_bytes(new)) // WRITE_BYTES))
        self._ledger.written[_to_item(tagged_key)] += units
        self._ledger.billed["write_units"] += units + sum(
            (keys[0] in old) + (keys[0] in new)
            for keys in self._indexes.values()
            if [old.get(key) for key in keys] != [new.get(key) for key in keys]
        )


class CountedS3:
    """An S3 client."""

    def __init__(self, client: Any, ledger: Ledger) -> None:
        """Count the calls to a client."""
        self._client, self._ledger = client, ledger

    def put_object(self, **request: Any) -> Any:
        """Store an object."""
        self._ledger.calls += 1
        self._ledger.billed["s3_puts"] += 1
        return self._client.put_object(**request)

    def get_object(self, **request: Any) -> Any:
        """Read an object."""
        self._ledger.add_get(request["Key"])
        return self._client.get_object(**request)


class CountedSqs:
    """An SQS client that counts, and holds some of the messages.

    Attributes:
        first: The bodies of the first messages.
    """

    def __init__(self, ledger: Ledger) -> None:
        """Create a queue."""
        self._ledger, self.first = ledger, list[str]()

    def send_message_batch(self, **request: Any) -> dict[str, Any]:
        """Take messages."""
        self._ledger.calls += 1
        self._ledger.billed["sqs_requests"] += 1
        if len(self.first) < FIRST_MESSAGES:
            self.first += [entry["MessageBody"] for entry in request["Entries"]]
        return {}


def item_bytes(item: Mapping[str, Any]) -> int:
    """Return the size of an item as AWS counts it: names, and values of a JSON type each, about."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(tagged: Any) -> int:
    (kind, value), *_ = tagged.items()
    if kind == "S":
        return len(value.encode())
    if kind == "N":
        return len(value.lstrip("-").replace(".", "")) // 2 + 2
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + _value_bytes(inner) for name, inner in value.items())
    if kind == "L":
        return 3 + sum(1 + _value_bytes(inner) for inner in value)
    return 1 if kind in ("BOOL", "NULL") else len(value)


def _to_item(tagged_key: Any) -> Item:
    key = from_tagged({name: tagged_key[name] for name in ("pk", "sk")})
    return str(key["pk"]), str(key["sk"])


@dataclass(frozen=True)
class CountedAws:
    """The clients, and what they count."""

    ledger: Ledger
    dynamodb: Any
    s3: Any
    sqs: CountedSqs


@contextmanager
def counted_aws() -> Iterator[CountedAws]:
    """Create the table of template.yaml and a bucket in this process."""
    with mock_aws():
        session = boto3.Session(region_name=REGION)
        table = read_template(TEMPLATE)["Resources"]["Table"]["Properties"]
        dynamodb, s3, ledger = session.client("dynamodb"), session.client("s3"), Ledger()
        names = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
        dynamodb.create_table(TableName=TABLE, **{name: table[name] for name in names})
        s3.create_bucket(Bucket=BUCKET)
        indexes = {
            index["IndexName"]: (index["KeySchema"][0]["AttributeName"], index["KeySchema"][1]["AttributeName"])
            for index in table["GlobalSecondaryIndexes"]
        }
        yield CountedAws(ledger, CountedDynamo(dynamodb, ledger, indexes), CountedS3(s3, ledger), CountedSqs(ledger))
