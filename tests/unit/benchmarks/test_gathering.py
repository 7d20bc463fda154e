"""benchmarks/gathering.py: messages as Lambda hands them over, and what it asks of SQS for that."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gathering import Gathering, lambdas_own, most_in_batch, record_of
from pigeonhole_cli.local.command import ROOT

ARN = "arn:aws:sqs:us-east-1:000000000000:dropped"


def received(number: int) -> dict[str, Any]:
    return {
        "MessageId": f"m{number}",
        "ReceiptHandle": f"r{number}",
        "Body": f"body {number}",
        "MD5OfBody": "d4",
        "Attributes": {"ApproximateReceiveCount": "1"},
    }


class Account:
    """SQS and Lambda, as far as they are asked. `said`: what the function answers."""

    def __init__(self, messages: int, said: str = '{"batchItemFailures": []}') -> None:
        self.waiting = [received(number) for number in range(messages)]
        self.said = said
        self.handed: list[list[str]] = []
        self.deleted: list[list[str]] = []
        self.enabled = True

    def resources(self) -> dict[str, str]:
        return {"IngestFunction": "ingest", "IngestQueue": "https://queue"}

    def client(self, service: str) -> Account:
        return self

    def list_event_source_mappings(self, FunctionName: str) -> dict[str, Any]:
        return {"EventSourceMappings": [{"UUID": "u", "EventSourceArn": ARN}]}

    def update_event_source_mapping(self, UUID: str, Enabled: bool) -> None:
        self.enabled = Enabled

    def receive_message(self, MaxNumberOfMessages: int, **more: Any) -> dict[str, Any]:
        found, self.waiting = self.waiting[:MaxNumberOfMessages], self.waiting[MaxNumberOfMessages:]
        return {"Messages": found} if found else {}

    def delete_message_batch(self, QueueUrl: str, Entries: list[dict[str, str]]) -> None:
        self.deleted.append([entry["ReceiptHandle"] for entry in Entries])

    def invoke(self, FunctionName: str, Payload: str) -> dict[str, Any]:
        self.handed.append([record["messageId"] for record in json.loads(Payload)["Records"]])
        return {"Payload": Answer(self.said)}


class Answer:
    def __init__(self, said: str) -> None:
        self.said = said

    def read(self) -> bytes:
        return self.said.encode()


def gathered(account: Account, batch: int) -> Gathering:
    return Gathering(account, batch)  # type: ignore[arg-type]


def test_a_record_is_shaped_as_lambda_shapes_it() -> None:
    (sample,) = json.loads((ROOT / "events" / "sqs-chunk.json").read_text())["Records"]

    made = record_of(received(1), ARN)

    assert made.keys() == sample.keys()
    assert (made["messageId"], made["body"], made["awsRegion"]) == ("m1", "body 1", "us-east-1")


def test_messages_come_by_the_batch_and_are_deleted_by_ten() -> None:
    account = Account(messages=1)
    gather = gathered(account, batch=12)
    assert not account.enabled
    assert account.deleted == [["r0"]], "S3's test is handed to nobody"
    account.waiting = [received(number) for number in range(1, 26)]

    assert gather(25) == [12, 12, 1]

    assert account.handed == [[f"m{number}" for number in numbers] for numbers in (range(1, 13), range(13, 25), range(25, 26))]
    assert [len(handles) for handles in account.deleted] == [1, 10, 2, 10, 2, 1]


def test_too_many_messages_are_no_measurement() -> None:
    account = Account(messages=0)
    gather = gathered(account, batch=10)
    account.waiting = [received(number) for number in range(3)]

    with pytest.raises(SystemExit, match="2 uploads should be told of by as many messages, not 3"):
        gather(2)


@pytest.mark.parametrize("said", ['{"batchItemFailures": [{"itemIdentifier": "m0"}]}', '{"errorMessage": "no"}'])
def test_what_was_not_taken_is_no_measurement(said: str) -> None:
    account = Account(messages=0, said=said)
    gather = gathered(account, batch=10)
    account.waiting = [received(0)]

    with pytest.raises(SystemExit, match="could not be taken"):
        gather(1)


@pytest.mark.parametrize(("batches", "calls"), [([500, 500], 200), ([500, 1], 102), ([11], 4), ([1, 1, 1], 6)])
def test_lambda_receives_and_deletes_ten_at_a_time(batches: list[int], calls: int) -> None:
    assert lambdas_own(batches) == calls


def test_as_many_are_gathered_as_the_template_says() -> None:
    assert most_in_batch() == 500
