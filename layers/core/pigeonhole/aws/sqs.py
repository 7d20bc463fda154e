"""Queues on Amazon SQS: chunks of jobs, webhooks, and S3's notifications of uploads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from pigeonhole.contract.messages import ChunkMessage, FailedSpanMessage, PlanMessage, SpanMessage, WebhookMessage
from pigeonhole.errors import Overloaded

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

AnyMessage = ChunkMessage | FailedSpanMessage | PlanMessage | SpanMessage | WebhookMessage

MAX_BATCH_MESSAGES = 10  # of one SendMessageBatch


class SqsQueue:
    """One queue of a deployment: a ChunkQueue, SpanQueue, FailedSpanQueue, PlanQueue, WebhookQueue or RetryQueue.

    A message's group is its tenant. Groups make a standard queue a fair one: a tenant with many waiting messages doesn't delay
    the messages of other tenants.
    """

    def __init__(self, client: SQSClient, url: str) -> None:
        """Create the adapter for the queue of that URL."""
        self._client = client
        self._url = url

    def send(self, messages: Sequence[AnyMessage]) -> None:
        """Send messages in batches. See `ChunkQueue.send` and the other ports."""
        for first in range(0, len(messages), MAX_BATCH_MESSAGES):
            entries: list[SendMessageBatchRequestEntryTypeDef] = [
                {"Id": str(number), "MessageBody": message.model_dump_json(), "MessageGroupId": message.tenant_id}
                for number, message in enumerate(messages[first : first + MAX_BATCH_MESSAGES])
            ]
            try:
                failed = self._client.send_message_batch(QueueUrl=self._url, Entries=entries).get("Failed")
            except (ClientError, BotoCoreError) as error:
                raise Overloaded() from error
            if failed:
                raise Overloaded()

    def retry_in(self, receipt: str, seconds: int) -> None:
        """Change the visibility timeout of a message. See `RetryQueue.retry_in`."""
        try:
            self._client.change_message_visibility(QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=seconds)
        except (ClientError, BotoCoreError) as error:
            raise Overloaded() from error
