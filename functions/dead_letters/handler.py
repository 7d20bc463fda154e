"""Let the samples of messages that no worker could do fail, so that their jobs end."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from pydantic import ValidationError

from pigeonhole import wiring
from pigeonhole.messages import ChunkMessage
from pigeonhole.observability import observed, observer, places_of


@observed("dead_letters", log_id_path="Records[0].messageId")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    answer: dict[str, Any] = process_partial_response(event, _fail, processor, context)  # type: ignore[assignment]
    return answer


def _fail(record: SQSRecord) -> None:
    seen = observer("dead_letters")
    seen.count("messages")
    try:
        message = ChunkMessage.model_validate_json(record.body)
    except ValidationError:
        seen.failed("bad_message")
        seen.logger.error("a message that can't be read is dropped", message_id=record.message_id)
        return
    try:
        part = wiring.fail_dead(wiring.settings())(message)
    except Exception as error:
        seen.failed("chunk_failed")
        seen.logger.error("a chunk could not be failed", job_id=message.job_id, start=message.start, trace=places_of(error))
        raise
    seen.count("failed_samples", part.failed if part else 0)
    seen.logger.error("a chunk failed", job_id=message.job_id, start=message.start, stop=message.stop)
