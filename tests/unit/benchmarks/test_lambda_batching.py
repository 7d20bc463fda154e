"""benchmarks/lambda_batching.py: messages in the batches that Lambda forms, and Lambda's calls to SQS."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from lambda_batching import IngestBatcher, count_sqs_calls, max_batch_size, to_lambda_record
from pigeonhole_cli.local.command import ROOT

ARN = "arn:aws:sqs:us-east-1:000000000000:dropped"


def sqs_message(number: int) -> dict[str, Any]:
    return {
        "MessageId": f"m{number}",
        "ReceiptHandle": f"r{number}",
        "Body": f"body {number}",
        "MD5OfBody": "d4",
        "Attributes": {"ApproximateReceiveCount": "1"},
    }


class FakeStack:
    """A local stack with a fake SQS and a fake Lambda. `payload`: the answer of functions/ingest."""

    def __init__(self, messages: int, payload: str = '{"batchItemFailures": []}') -> None:
        self.waiting = [sqs_message(number) for number in range(messages)]
        self.payload = payload
        self.invoked_with: list[list[str]] = []
        self.deleted: list[list[str]] = []
        self.enabled = True

    def resources(self) -> dict[str, str]:
        return {"IngestFunction": "ingest", "IngestQueue": "https://queue"}

    def client(self, service: str) -> FakeStack:
        return self

    def list_event_source_mappings(self, FunctionName: str) -> dict[str, Any]:
        return {"EventSourceMappings": [{"UUID": "u", "EventSourceArn": ARN}]}

    def update_event_source_mapping(self, UUID: str, Enabled: bool) -> None:
        self.enabled = Enabled

    def receive_message(self, MaxNumberOfMessages: int, **more: Any) -> dict[str, Any]:
        messages, self.waiting = self.waiting[:MaxNumberOfMessages], self.waiting[MaxNumberOfMessages:]
        return {"Messages": messages} if messages else {}

    def delete_message_batch(self, QueueUrl: str, Entries: list[dict[str, str]]) -> None:
        self.deleted.append([entry["ReceiptHandle"] for entry in Entries])

    def invoke(self, FunctionName: str, Payload: str) -> dict[str, Any]:
        self.invoked_with.append([record["messageId"] for record in json.loads(Payload)["Records"]])
        return {"Payload": io.BytesIO(self.payload.encode())}


def batcher(stack: FakeStack, batch_size: int) -> IngestBatcher:
    return IngestBatcher(stack=stack, batch_size=batch_size)  # type: ignore[arg-type]


def test_a_record_has_the_shape_that_lambda_sends() -> None:
    (sample,) = json.loads((ROOT / "events" / "sqs-chunk.json").read_text())["Records"]

    record = to_lambda_record(sqs_message(1), ARN)

    assert record.keys() == sample.keys()
    assert (record["messageId"], record["body"], record["awsRegion"]) == ("m1", "body 1", "us-east-1")


def test_messages_are_ingested_in_batches_and_deleted_by_ten() -> None:
    stack = FakeStack(messages=1)
    ingest = batcher(stack, batch_size=12)
    assert not stack.enabled
    assert stack.deleted == [["r0"]], "S3's test message is not ingested"
    stack.waiting = [sqs_message(number) for number in range(1, 26)]

    assert ingest.ingest(25) == [12, 12, 1]

    batches = (range(1, 13), range(13, 25), range(25, 26))
    assert stack.invoked_with == [[f"m{number}" for number in numbers] for numbers in batches]
    assert [len(handles) for handles in stack.deleted] == [1, 10, 2, 10, 2, 1]


def test_too_many_messages_end_the_measurement() -> None:
    stack = FakeStack(messages=0)
    ingest = batcher(stack, batch_size=10)
    stack.waiting = [sqs_message(number) for number in range(3)]

    with pytest.raises(SystemExit, match="2 uploads, not 3"):
        ingest.ingest(2)


@pytest.mark.parametrize("payload", ['{"batchItemFailures": [{"itemIdentifier": "m0"}]}', '{"errorMessage": "no"}'])
def test_a_failure_of_ingest_ends_the_measurement(payload: str) -> None:
    stack = FakeStack(messages=0, payload=payload)
    ingest = batcher(stack, batch_size=10)
    stack.waiting = [sqs_message(0)]

    with pytest.raises(SystemExit, match="can't ingest"):
        ingest.ingest(1)


@pytest.mark.parametrize(("batches", "calls"), [([500, 500], 200), ([500, 1], 102), ([11], 4), ([1, 1, 1], 6)])
def test_lambda_receives_and_deletes_ten_messages_per_call(batches: list[int], calls: int) -> None:
    assert count_sqs_calls(batches) == calls


def test_the_batch_size_is_that_of_the_template() -> None:
    assert max_batch_size() == 500
