"""Let the samples of messages that no worker could do fail, so that their jobs end."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from pigeonhole import wiring
from pigeonhole.aws.lambda_events import each_message, message_of
from pigeonhole.contract.messages import ChunkMessage
from pigeonhole.observability import observed, observer, stack_trace


@observed("dead_letters", log_id_path="Records[0].messageId")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return each_message(event, context, _fail)


def _fail(record: SQSRecord) -> None:
    seen = observer("dead_letters")
    seen.count("messages")
    message = message_of(record, ChunkMessage, seen)
    if message is None:
        return
    try:
        part = wiring.dead_letter_handler(wiring.settings()).fail(message)
    except Exception as error:
        seen.failed("chunk_failed")
        seen.logger.error("a chunk could not be failed", job_id=message.job_id, start=message.start, trace=stack_trace(error))
        raise
    seen.count("failed_samples", part.failed if part else 0)
    seen.logger.error("a chunk failed", job_id=message.job_id, start=message.start, stop=message.stop)
