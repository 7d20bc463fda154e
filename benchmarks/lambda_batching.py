"""Lambda's batching of SQS messages, which ministack lacks: many messages of IngestQueue for one run of functions/ingest.

Lambda receives at most ten messages per call to SQS. It collects up to BatchSize messages within the batching window, and then
runs the function. It deletes the messages that the function doesn't report as failed, ten per call. ministack runs the function
with each receipt at once. So this module disables ministack's event source mapping. It receives the messages, runs the function
and deletes the messages itself. The batches are those that Lambda would form if all messages arrived within the window.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pigeonhole_cli.local.command import ROOT
from pigeonhole_cli.local.stack import LocalStack, read_template

MAX_PER_CALL = 10  # messages in one call to SQS
PATIENCE_S = 60.0
VISIBILITY_S = 600  # longer than a whole measurement, whatever the queue's own setting


def max_batch_size() -> int:
    """Read from the template how many messages Lambda collects for one run of functions/ingest."""
    function = read_template(ROOT / "template.yaml")["Resources"]["IngestFunction"]
    return int(function["Properties"]["Events"]["Dropped"]["Properties"]["BatchSize"])


def count_sqs_calls(batches: Sequence[int]) -> int:
    """Count Lambda's calls to SQS for batches of these sizes: one receipt and one deletion for every ten messages."""
    return sum(2 * math.ceil(size / MAX_PER_CALL) for size in batches)


def to_lambda_record(message: Mapping[str, Any], queue_arn: str) -> dict[str, Any]:
    """Convert a received message to the record that Lambda passes to a function."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": queue_arn.split(":")[3],
    }


class IngestBatcher:
    """Runs functions/ingest on batches of messages, in place of Lambda's event source mapping."""

    def __init__(self, *, stack: LocalStack, batch_size: int) -> None:
        """Disable the stack's own mapping, and delete the test message that S3 sent to the queue.

        Args:
            stack: A deployed local stack.
            batch_size: The largest number of messages for one run.
        """
        resources = stack.resources()
        self._batch_size, self._function, self._queue_url = batch_size, resources["IngestFunction"], resources["IngestQueue"]
        self._sqs, self._lambda = stack.client("sqs"), stack.client("lambda")
        (mapping,) = self._lambda.list_event_source_mappings(FunctionName=self._function)["EventSourceMappings"]
        self._lambda.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        self._queue_arn = mapping["EventSourceArn"]
        self._delete(self._receive())

    def ingest(self, count: int) -> list[int]:
        """Wait for `count` messages, and run functions/ingest on them batch by batch.

        Returns:
            The number of messages in each batch.

        Raises:
            SystemExit: Another number of messages arrived, or the function failed.
        """
        messages: list[dict[str, Any]] = []
        deadline = time.monotonic() + PATIENCE_S
        while len(messages) < count and time.monotonic() < deadline:
            messages += self._receive()
        if len(messages) != count:
            raise SystemExit(f"IngestQueue: must have one message for each of {count} uploads, not {len(messages)}")
        batches = [messages[first : first + self._batch_size] for first in range(0, count, self._batch_size)]
        for batch in batches:
            self._run(batch)
            self._delete(batch)
        return [len(batch) for batch in batches]

    def _run(self, messages: Sequence[Mapping[str, Any]]) -> None:
        event = {"Records": [to_lambda_record(message, self._queue_arn) for message in messages]}
        response = self._lambda.invoke(FunctionName=self._function, Payload=json.dumps(event))
        payload = json.loads(response["Payload"].read())
        if payload != {"batchItemFailures": []}:
            raise SystemExit(f"functions/ingest can't ingest the uploads: {payload}")

    def _receive(self) -> list[dict[str, Any]]:
        """Receive messages until the queue has no more."""
        received: list[dict[str, Any]] = []
        while messages := self._sqs.receive_message(
            QueueUrl=self._queue_url,
            MaxNumberOfMessages=MAX_PER_CALL,
            WaitTimeSeconds=1,
            AttributeNames=["All"],
            VisibilityTimeout=VISIBILITY_S,
        ).get("Messages"):
            received += messages
        return received

    def _delete(self, messages: Sequence[Mapping[str, Any]]) -> None:
        for first in range(0, len(messages), MAX_PER_CALL):
            entries = [
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(messages[first : first + MAX_PER_CALL])
            ]
            self._sqs.delete_message_batch(QueueUrl=self._queue_url, Entries=entries)
