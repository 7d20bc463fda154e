"""Events of Lambda: the messages of a queue, the changes of the table, and the notifications of S3.

A function answers with the records that failed. AWS delivers only those again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar
from urllib.parse import unquote_plus

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from pydantic import TypeAdapter, ValidationError

from pigeonhole.bulk.gpu.failures import GpuFailure
from pigeonhole.bulk.gpu.run_name import RUN_VARIABLE, RunName
from pigeonhole.contract.uploads import UploadedFile
from pigeonhole.observability import Observer

FIRST_RETRY_S = 30  # after the first attempt
RETRY_FACTOR = 4  # each further pause is so many times as long
MAX_RETRY_S = 1_920  # a further pause is no longer

Message = TypeVar("Message")


def process_messages(event: dict[str, Any], context: Any, process: Callable[[SQSRecord], None]) -> dict[str, Any]:
    """Process each message of a queue by itself.

    Args:
        event: The event.
        context: Lambda's context.
        process: Is called with each message. SQS redelivers the messages for which it raises.

    Returns:
        The function's answer, which names the messages that failed.
    """
    return _process_each(event, context, process, EventType.SQS)


def process_changes(event: dict[str, Any], context: Any, process: Callable[[DynamoDBRecord], None]) -> dict[str, Any]:
    """Process each change of the table's stream, in order.

    Args:
        event: The event.
        context: Lambda's context.
        process: Is called with each change. The stream delivers the first change for which it raises again, and those after it.

    Returns:
        The function's answer, which names the changes that failed.
    """
    return _process_each(event, context, process, EventType.DynamoDBStreams)


def process_batch(event: dict[str, Any], process: Callable[[Sequence[SQSRecord]], Collection[str]]) -> dict[str, Any]:
    """Process the messages of a queue together.

    Args:
        event: The event.
        process: Is called with all messages. It returns the ids of those that SQS must redeliver.

    Returns:
        The function's answer, which names the messages that failed.
    """
    failed = process([SQSRecord(message) for message in event["Records"]])
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _process_each(event: dict[str, Any], context: Any, process: Callable[[Any], None], kind: EventType) -> dict[str, Any]:
    # If all records fail, an exception would make AWS deliver the whole batch again at once. The pauses that `process` has set
    # would be lost.
    processor = BatchProcessor(event_type=kind, raise_on_entire_batch_failure=False)
    answer: dict[str, Any] = process_partial_response(event, process, processor, context)  # type: ignore[assignment]
    return answer


def receive_count(message: SQSRecord) -> int:
    """Return how often a message was delivered, this delivery included."""
    return int(message.attributes.approximate_receive_count or 1)


def retry_pause_s(message: SQSRecord, max_receives: int, factor: int = RETRY_FACTOR) -> int:
    """Return the seconds until a message that failed should be redelivered.

    Pauses get longer, so that an outage can pass. The last pause is 0, because the queue then moves the message to the
    dead-letter queue, which it does only when the message would be redelivered.

    Args:
        message: The message.
        max_receives: The queue's maxReceiveCount.
        factor: How many times as long each further pause is.
    """
    count = receive_count(message)
    return min(MAX_RETRY_S, FIRST_RETRY_S * factor ** (count - 1)) if count < max_receives else 0


def parse_message(message: SQSRecord, model: TypeAdapter[Message], observer: Observer) -> Message | None:
    """Parse a message's body.

    A message that can't be parsed is logged without its text, and dropped. A retry wouldn't fix it, and it names no job that
    could fail.

    Returns:
        The parsed body, None for a message that can't be parsed.
    """
    try:
        return model.validate_json(message.body)
    except ValidationError:
        observer.count_error("bad_message")
        observer.logger.error("a message that can't be read is dropped", message_id=message.message_id)
        return None


def parse_gpu_failure(message: SQSRecord) -> GpuFailure | None:
    """Parse EventBridge's event of a job of AWS Batch that failed.

    Returns:
        What failed, None if the message isn't such an event or names no GPU run.
    """
    try:
        detail = json.loads(message.body)["detail"]
        variables = {variable["name"]: variable["value"] for variable in detail["container"]["environment"]}
        array = detail.get("arrayProperties", {})
        return GpuFailure(
            name=RunName.parse(variables[RUN_VARIABLE]),
            run_id=detail["jobId"].partition(":")[0],  # of a child: PARENT:INDEX
            index=None if "size" in array else int(array.get("index", 0)),
            was_attempted=bool(detail.get("attempts")),
            reason=str(detail.get("statusReason", "")),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def parse_job_key(change: DynamoDBRecord) -> tuple[str, str]:
    """Return the tenant and the id of a job, from the key of the item that changed."""
    keys = (change.dynamodb.keys if change.dynamodb else None) or {}
    return str(keys["pk"]).removeprefix("JOBS#"), str(keys["sk"])


def parse_uploads(message: SQSRecord, bucket: str, observer: Observer) -> list[UploadedFile]:
    """Parse a notification of S3.

    A notification that can't be parsed is logged without its text, and dropped.

    Returns:
        The new objects. The list is empty for S3's test message, which S3 sends when notifications are configured.
    """
    try:
        notification = json.loads(message.body)
        if notification.get("Event") == "s3:TestEvent":
            return []
        return [_parse_upload(event["s3"], bucket) for event in notification["Records"]]
    except (ValueError, KeyError, TypeError, AttributeError):  # ValidationError is a ValueError
        observer.count_error("bad_message")
        observer.logger.error("a notification that can't be read is dropped", message_id=message.message_id)
        return []


def _parse_upload(event: dict[str, Any], bucket: str) -> UploadedFile:
    if event["bucket"]["name"] != bucket:
        raise ValueError("bucket: must be the upload bucket")
    s3_object = event["object"]
    # S3 encodes an object key as a form does: a space is a plus, and a plus is %2B.
    key = unquote_plus(s3_object["key"], errors="strict")
    return UploadedFile(
        key=key, version_id=s3_object.get("versionId"), sequencer=s3_object["sequencer"], size=s3_object["size"]
    )
