"""Queues in SQS: the adapter behind ports.ChunkQueue and ports.WebhookQueue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from pigeonhole.contract.messages import ChunkMessage, WebhookMessage
from pigeonhole.errors import Overloaded

BATCH = 10  # messages of one SendMessageBatch


class SqsQueue:
    """One queue of a deployment. `client`: a boto3 SQS client; `url`: the queue's.

    Messages are grouped by tenant, which makes a standard queue a fair one: a tenant with many waiting doesn't hold up others.
    """

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, messages: Sequence[ChunkMessage | WebhookMessage]) -> None:
        for first in range(0, len(messages), BATCH):
            entries = [
                {"Id": str(number), "MessageBody": message.model_dump_json(), "MessageGroupId": message.tenant_id}
                for number, message in enumerate(messages[first : first + BATCH])
            ]
            try:
                refused = self._client.send_message_batch(QueueUrl=self._url, Entries=entries).get("Failed")
            except (ClientError, BotoCoreError) as error:
                raise Overloaded() from error
            if refused:
                raise Overloaded()

    def retry_in(self, receipt: str, seconds: int) -> None:
        try:
            self._client.change_message_visibility(QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=seconds)
        except (ClientError, BotoCoreError) as error:
            raise Overloaded() from error
