"""What queues and the table's stream bring to a function: records, each of which fails by itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar
from urllib.parse import unquote_plus

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from pydantic import BaseModel, ValidationError

from pigeonhole.contract.uploads import UploadedFile
from pigeonhole.observability import Observer

RETRY_S = 30  # after the first try
RETRY_LONGER = 4  # times as long after each further one

Message = TypeVar("Message", bound=BaseModel)


def each_message(event: dict[str, Any], context: Any, work: Callable[[SQSRecord], None]) -> dict[str, Any]:
    """Run `work` on each record of a queue; the answer names those for which it raised, and they come again."""
    return _each(event, context, work, EventType.SQS)


def each_change(event: dict[str, Any], context: Any, work: Callable[[DynamoDBRecord], None]) -> dict[str, Any]:
    """Run `work` on each record of the stream, in order; from the first for which it raised, they come again."""
    return _each(event, context, work, EventType.DynamoDBStreams)


def all_messages(event: dict[str, Any], work: Callable[[Sequence[SQSRecord]], Collection[str]]) -> dict[str, Any]:
    """Run `work` on the records of a queue together; the answer names those whose ids it gives, and they come again."""
    failed = work([SQSRecord(record) for record in event["Records"]])
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _each(event: dict[str, Any], context: Any, work: Callable[[Any], None], kind: EventType) -> dict[str, Any]:
    # It isn't raised if all fail: the batch would come again whole, without the pauses that `work` may have asked for.
    processor = BatchProcessor(event_type=kind, raise_on_entire_batch_failure=False)
    answer: dict[str, Any] = process_partial_response(event, work, processor, context)  # type: ignore[assignment]
    return answer


def tries_of(record: SQSRecord) -> int:
    """How often a message has come, this time included."""
    return int(record.attributes.approximate_receive_count or 1)


def pause_s(record: SQSRecord, most_tries: int, longer: int = RETRY_LONGER) -> int:
    """After how many seconds a message that failed is to come again: an outage passes.

    After its last try at once: its queue gives it to the dead letters when it would come again.
    """
    tries = tries_of(record)
    return RETRY_S * longer ** (tries - 1) if tries < most_tries else 0


def message_of(record: SQSRecord, kind: type[Message], seen: Observer) -> Message | None:
    """Read a record's message; None, and a line in the log without its text, for one that can't be read.

    No retry would mend that, and it names no job that could be told.
    """
    try:
        return kind.model_validate_json(record.body)
    except ValidationError:
        seen.failed("bad_message")
        seen.logger.error("a message that can't be read is dropped", message_id=record.message_id)
        return None


def job_of(record: DynamoDBRecord) -> tuple[str, str]:
    """A job's tenant and id, by the key of its item."""
    keys = (record.dynamodb.keys if record.dynamodb else None) or {}
    return str(keys["pk"]).removeprefix("JOBS#"), str(keys["sk"])


def uploads_of(record: SQSRecord, bucket: str, seen: Observer) -> list[UploadedFile]:
    """The new objects that a notification of S3 tells; none, and a line in the log without its text, if it can't be read.

    S3 tests each queue with a message of its own when its notifications are set up; that tells none.
    """
    try:
        notified = json.loads(record.body)
        if notified.get("Event") == "s3:TestEvent":
            return []
        return [_upload_of(each["s3"], bucket) for each in notified["Records"]]
    except (ValueError, KeyError, TypeError, AttributeError):  # ValidationError, too
        seen.failed("bad_message")
        seen.logger.error("a notification that can't be read is dropped", message_id=record.message_id)
        return []


def _upload_of(told: dict[str, Any], bucket: str) -> UploadedFile:
    if told["bucket"]["name"] != bucket:
        raise ValueError("another bucket's")
    it = told["object"]
    # As in a form: a plus is a space, and a plus in the key is %2B.
    key = unquote_plus(it["key"], errors="strict")
    return UploadedFile(key=key, version_id=it.get("versionId"), sequencer=it["sequencer"], size=it["size"])
