"""ChunkQueue and WebhookQueue: SQS delivers the adapter's messages, and a refused message is an error."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from pigeonhole.aws.sqs import SqsQueue
from pigeonhole.contract.messages import ChunkMessage, WebhookMessage
from pigeonhole.errors import Overloaded
from pigeonhole.jobs.ports import ChunkQueue, WebhookQueue
from support.fakes import FakeChunkQueue, FakeWebhookQueue
from support.job_fixtures import ID, message
from support.moto_aws import REGION, unconnected_client


class Queue:
    """A queue, and the messages that it delivered."""

    def __init__(self, port: ChunkQueue, client: Any = None, url: str = "") -> None:
        self.port, self._client, self._url = port, client, url

    def received(self) -> list[ChunkMessage]:
        if isinstance(self.port, FakeChunkQueue):
            return self.port.sent
        messages: list[ChunkMessage] = []
        while page := self._client.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages"):
            messages += [ChunkMessage.model_validate_json(entry["Body"]) for entry in page]
        return messages


@pytest.fixture
def queue(is_real: bool) -> Queue:
    if not is_real:
        return Queue(FakeChunkQueue())
    client = boto3.client("sqs", region_name=REGION)
    url = client.create_queue(QueueName="chunks")["QueueUrl"]
    return Queue(SqsQueue(client, url), client, url)


@pytest.mark.parametrize("count", [0, 1, 10, 25])
def test_every_message_is_sent(queue: Queue, count: int) -> None:
    sent = [message(start, start + 1) for start in range(count)]

    queue.port.send(sent)

    assert sorted(queue.received(), key=lambda received: received.start) == sent


@pytest.mark.usefixtures("aws")
def test_a_message_is_redelivered_after_the_given_time() -> None:
    client = boto3.client("sqs", region_name=REGION)
    url = client.create_queue(QueueName="chunks", Attributes={"VisibilityTimeout": "3600"})["QueueUrl"]
    queue = SqsQueue(client, url)
    queue.send([message()])
    (first,) = client.receive_message(QueueUrl=url)["Messages"]
    assert "Messages" not in client.receive_message(QueueUrl=url)

    queue.retry_in(first["ReceiptHandle"], 0)

    assert client.receive_message(QueueUrl=url)["Messages"][0]["Body"] == first["Body"]


def test_a_refused_message_is_an_overload() -> None:
    client = unconnected_client("sqs")
    refused = {"Successful": [], "Failed": [{"Id": "0", "SenderFault": False, "Code": "InternalError"}]}
    with Stubber(client) as stub:
        stub.add_response("send_message_batch", refused)
        with pytest.raises(Overloaded):
            SqsQueue(client, "https://sqs.example/queue").send([message()])


@pytest.mark.parametrize("call", ["send_message_batch", "change_message_visibility"])
def test_a_busy_queue_is_an_overload(call: str) -> None:
    client = unconnected_client("sqs")
    with Stubber(client) as stub:
        stub.add_client_error(call, "ServiceUnavailable", http_status_code=503)
        queue = SqsQueue(client, "https://sqs.example/queue")
        with pytest.raises(Overloaded):
            queue.send([message()]) if call == "send_message_batch" else queue.retry_in("receipt", 1)


def test_a_message_of_a_webhook_is_sent_for_its_tenant(is_real: bool) -> None:
    sent = WebhookMessage(tenant_id="acme", job_id=ID, attempt=3)
    if not is_real:
        fake = FakeWebhookQueue()
        fake.send([sent])
        assert fake.sent == [sent]
        return
    client = boto3.client("sqs", region_name=REGION)
    url = client.create_queue(QueueName="webhooks")["QueueUrl"]
    queue: WebhookQueue = SqsQueue(client, url)

    queue.send([sent])

    (received,) = client.receive_message(QueueUrl=url, AttributeNames=["MessageGroupId"])["Messages"]
    assert received["Attributes"] == {"MessageGroupId": "acme"}, "a fair queue distinguishes tenants by the group"
    assert WebhookMessage.model_validate_json(received["Body"]) == sent
