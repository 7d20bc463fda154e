"""Fail the samples of chunks whose every attempt failed, so that their jobs end. Queue the chunks without attempts again."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from pigeonhole import wiring
from pigeonhole.aws.lambda_events import parse_message, process_messages
from pigeonhole.contract.messages import WORK, SpanMessage
from pigeonhole.observability import observed, observer


@observed("dead_letters", log_id_path="Records[0].messageId")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle each message of the event. The answer names those that SQS must deliver again."""
    return process_messages(event, context, _handle)


def _handle(record: SQSRecord) -> None:
    telemetry = observer("dead_letters")
    telemetry.count("messages")
    message = parse_message(record, WORK, telemetry)
    if message is None:
        return
    if isinstance(message, SpanMessage):
        with telemetry.failures_reported(
            code="span_failed", message="the lines of a span could not be failed", job_id=message.job_id, span=message.number
        ):
            failed = wiring.span_abandoner(wiring.settings()).abandon(message)
        telemetry.count("failed_samples", failed)
        event = "span abandoned" if failed else "span queued again"
        telemetry.logger.error(event, job_id=message.job_id, span=message.number)
        return
    with telemetry.failures_reported(
        code="chunk_failed", message="the samples of a chunk could not be failed", job_id=message.job_id, start=message.start
    ):
        outcome = wiring.dead_letter_handler(wiring.settings()).handle(message)
    telemetry.count("failed_samples", outcome.part.failed if outcome.part else 0)
    telemetry.count("requeued_chunks", outcome.is_queued_again)
    event = "chunk queued again" if outcome.is_queued_again else "chunk abandoned"
    telemetry.logger.error(event, job_id=message.job_id, start=message.start, stop=message.stop)
