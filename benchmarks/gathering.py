"""Lambda's gathering, which ministack hasn't: messages of IngestQueue by the hundred to one run of functions/ingest.

Lambda receives ten messages at a time at most, and gathers up to BatchSize of them within the window before it runs the
function; what the function doesn't name as failed it deletes, ten at a time. ministack hands over what it receives at once. So
its own source of events is switched off here, and this receives, runs and deletes in its place, as fully as Lambda would if
all had come within the window.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pigeonhole_cli.local.command import ROOT
from pigeonhole_cli.local.stack import LocalStack, read_template

AT_ONCE = 10  # messages of one call to SQS
PATIENCE_S = 60.0
VISIBILITY_S = 600  # longer than all of it takes, whatever the queue says


def most_in_batch() -> int:
    """How many messages Lambda gathers, as the template says."""
    function = read_template(ROOT / "template.yaml")["Resources"]["IngestFunction"]
    return int(function["Properties"]["Events"]["Dropped"]["Properties"]["BatchSize"])


def lambdas_own(batches: Sequence[int]) -> int:
    """Calls to SQS that Lambda makes for batches of so many messages: full receipts, and as many deletions."""
    return sum(2 * math.ceil(size / AT_ONCE) for size in batches)


def record_of(message: Mapping[str, Any], arn: str) -> dict[str, Any]:
    """A message that was received, as Lambda hands it to a function. `arn`: its queue's."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": arn.split(":")[3],
    }


class Gathering:
    """Hands messages over in Lambda's place. `batch`: how many at most to one run."""

    def __init__(self, stack: LocalStack, batch: int) -> None:
        resources = stack.resources()
        self._batch, self._function, self._url = batch, resources["IngestFunction"], resources["IngestQueue"]
        self._sqs, self._lambda = stack.client("sqs"), stack.client("lambda")
        (mapping,) = self._lambda.list_event_source_mappings(FunctionName=self._function)["EventSourceMappings"]
        self._lambda.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        self._arn = mapping["EventSourceArn"]
        self._delete(self._receive())  # the message that S3 tests a queue with

    def __call__(self, count: int) -> list[int]:
        """Hand over `count` messages, once they are all there. How many each run got."""
        messages: list[dict[str, Any]] = []
        until = time.monotonic() + PATIENCE_S
        while len(messages) < count and time.monotonic() < until:
            messages += self._receive()
        if len(messages) != count:
            raise SystemExit(f"{count} uploads should be told of by as many messages, not {len(messages)}")
        batches = [messages[first : first + self._batch] for first in range(0, count, self._batch)]
        for batch in batches:
            self._run(batch)
            self._delete(batch)
        return [len(batch) for batch in batches]

    def _run(self, messages: Sequence[Mapping[str, Any]]) -> None:
        event = {"Records": [record_of(message, self._arn) for message in messages]}
        answer = self._lambda.invoke(FunctionName=self._function, Payload=json.dumps(event))
        said = json.loads(answer["Payload"].read())
        if said != {"batchItemFailures": []}:
            raise SystemExit(f"uploads could not be taken: {said}")

    def _receive(self) -> list[dict[str, Any]]:
        """What the queue gives, until it gives nothing more."""
        found: list[dict[str, Any]] = []
        asked = {"QueueUrl": self._url, "MaxNumberOfMessages": AT_ONCE, "WaitTimeSeconds": 1, "AttributeNames": ["All"]}
        asked["VisibilityTimeout"] = VISIBILITY_S
        while messages := self._sqs.receive_message(**asked).get("Messages"):
            found += messages
        return found

    def _delete(self, messages: Sequence[Mapping[str, Any]]) -> None:
        for first in range(0, len(messages), AT_ONCE):
            entries = [
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(messages[first : first + AT_ONCE])
            ]
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)
