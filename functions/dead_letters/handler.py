"""Fail the samples of chunks whose every attempt failed, so that their jobs end. Queue the chunks without attempts again."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from pigeonhole.aws.lambda_events import parse_gpu_failure, parse_message, process_messages
from pigeonhole.bulk.gpu.failures import GpuFailure
from pigeonhole.contract.messages import DEAD_WORK, FailedSpanMessage, SpanMessage
from pigeonhole.observability import observed, observer
from pigeonhole.wiring import bulk, jobs, settings


@observed("dead_letters", log_id_path="Records[0].messageId")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle each message of the event. The answer names those that SQS must deliver again."""
    return process_messages(event, context, _handle)


def _handle(record: SQSRecord) -> None:
    telemetry = observer("dead_letters")
    telemetry.count("messages")
    if failure := parse_gpu_failure(record):
        return _handle_gpu_failure(failure)
    message = parse_message(record, DEAD_WORK, telemetry)
    if message is None:
        return
    if isinstance(message, SpanMessage | FailedSpanMessage):
        return _abandon_span(message)
    with telemetry.failures_reported(
        code="chunk_failed", message="the samples of a chunk could not be failed", job_id=message.job_id, start=message.start
    ):
        outcome = jobs.dead_letter_handler(settings()).handle(message)
    telemetry.count("failed_samples", outcome.part.failed if outcome.part else 0)
    telemetry.count("requeued_chunks", outcome.is_queued_again)
    event = "chunk queued again" if outcome.is_queued_again else "chunk abandoned"
    telemetry.logger.error(event, job_id=message.job_id, start=message.start, stop=message.stop)


def _abandon_span(message: SpanMessage | FailedSpanMessage) -> None:
    telemetry, number = observer("dead_letters"), message.number if isinstance(message, SpanMessage) else message.span.number
    with telemetry.failures_reported(
        code="span_failed", message="the lines of a span could not be failed", job_id=message.job_id, span=number
    ):
        abandoner = bulk.span_abandoner(settings())
        failed = abandoner.abandon(message) if isinstance(message, SpanMessage) else abandoner.fail(message)
    telemetry.count("failed_samples", failed)
    telemetry.logger.error("span abandoned" if failed else "span queued again", job_id=message.job_id, span=number)


def _handle_gpu_failure(failure: GpuFailure) -> None:
    telemetry, fields = observer("dead_letters"), {"job_id": failure.name.job_id, "run": failure.name.number}
    with telemetry.failures_reported(code="span_failed", message="a failed GPU task could not be handled", **fields):
        spans = bulk.gpu_failure_handler(settings()).handle(failure)
    telemetry.logger.error("GPU task failed", task=failure.index, reason=failure.reason, spans=spans, **fields)
