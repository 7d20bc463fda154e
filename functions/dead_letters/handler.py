"""Fail the samples of chunks whose every attempt failed, so that their jobs end."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from pigeonhole import wiring
from pigeonhole.aws.lambda_events import parse_message, process_messages
from pigeonhole.contract.messages import ChunkMessage
from pigeonhole.observability import observed, observer


@observed("dead_letters", log_id_path="Records[0].messageId")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Fail the samples of each message of the event. The answer names those that SQS must deliver again."""
    return process_messages(event, context, _fail)


def _fail(record: SQSRecord) -> None:
    telemetry = observer("dead_letters")
    telemetry.count("messages")
    message = parse_message(record, ChunkMessage, telemetry)
    if message is None:
        return
    with telemetry.failures_reported(
        code="chunk_failed", message="the samples of a chunk could not be failed", job_id=message.job_id, start=message.start
    ):
        part = wiring.dead_letter_handler(wiring.settings()).fail(message)
    telemetry.count("failed_samples", part.failed if part else 0)
    telemetry.logger.error("chunk abandoned", job_id=message.job_id, start=message.start, stop=message.stop)
