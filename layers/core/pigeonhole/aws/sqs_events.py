"""What SQS brings to a function: messages of chunks, each of which fails by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from pydantic import ValidationError

from pigeonhole.messages import ChunkMessage
from pigeonhole.observability import Observer


def each_record(event: dict[str, Any], context: Any, work: Callable[[SQSRecord], None]) -> dict[str, Any]:
    """Run `work` on each record; the answer names those for which it raised, and they come again.

    It isn't raised if all fail: the batch would come again whole, without the pauses that `work` may have asked for.
    """
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    answer: dict[str, Any] = process_partial_response(event, work, processor, context)  # type: ignore[assignment]
    return answer


def chunk_of(record: SQSRecord, seen: Observer) -> ChunkMessage | None:
    """Read a record's message; None, and a line in the log without its text, for one that can't be read.

    No retry would mend that, and it names no job that could be told.
    """
    try:
        return ChunkMessage.model_validate_json(record.body)
    except ValidationError:
        seen.failed("bad_message")
        seen.logger.error("a message that can't be read is dropped", message_id=record.message_id)
        return None
