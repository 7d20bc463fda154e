"""Process the chunks of jobs and the spans of bulk jobs. The image is that of functions/classify, with this handler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

# As in functions/classify, a broken image fails while it starts, and the first call loads the model's weights.
import pigeonhole.bulk.worker
import pigeonhole.inference.encoders.onnx_encoder
import pigeonhole.inference.images.decode
import pigeonhole.inference.pipeline
import pigeonhole.jobs.worker  # noqa: F401
from pigeonhole.aws.lambda_events import parse_message, process_messages, receive_count, retry_pause_s
from pigeonhole.contract.messages import WORK, ChunkMessage, SpanMessage
from pigeonhole.errors import Overloaded
from pigeonhole.observability import observed, observer
from pigeonhole.wiring import bulk, jobs, settings

MAX_RECEIVES = 5  # the template's maxReceiveCount
FAULT_FACTOR = 2  # after a fault of ours, the fifth attempt follows within eight minutes
BUSY_FACTOR = 30  # the second pause is a quarter of an hour, in which an outage of the table or the bucket passes


@observed("worker", log_id_path="Records[0].messageId")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Process each message of the event. The answer names those that SQS must deliver again."""
    return process_messages(
        event, context, lambda record: _process(record, lambda: context.get_remaining_time_in_millis() / 1000)
    )


def _process(record: SQSRecord, time_left_s: Callable[[], float]) -> None:
    telemetry = observer("worker")
    telemetry.count("messages")
    message = parse_message(record, WORK, telemetry)
    if message is None:
        return
    deliveries = receive_count(record)
    try:
        if isinstance(message, SpanMessage):
            _process_span(message, time_left_s, deliveries)
        else:
            _process_chunk(message, time_left_s, deliveries)
    except Exception as error:
        factor = BUSY_FACTOR if isinstance(error, Overloaded) else FAULT_FACTOR
        jobs.chunk_queue(settings()).retry_in(record.receipt_handle, retry_pause_s(record, MAX_RECEIVES, factor))
        raise


def _process_chunk(message: ChunkMessage, time_left_s: Callable[[], float], deliveries: int) -> None:
    telemetry = observer("worker")
    with telemetry.failures_reported(
        code="chunk_failed", message="a chunk could not be processed", job_id=message.job_id, start=message.start
    ):
        worker = jobs.chunk_worker(settings())
        parts = worker.process(message, time_left_s, deliveries=deliveries, is_last_delivery=deliveries >= MAX_RECEIVES)
    samples = sum(len(part.span) for part in parts)
    telemetry.count("samples", samples)
    telemetry.count("failed_samples", sum(part.failed for part in parts))
    telemetry.logger.info("chunk processed", job_id=message.job_id, start=message.start, stop=message.stop, samples=samples)


def _process_span(message: SpanMessage, time_left_s: Callable[[], float], deliveries: int) -> None:
    telemetry = observer("worker")
    with telemetry.failures_reported(
        code="chunk_failed", message="a span could not be processed", job_id=message.job_id, span=message.number
    ):
        worker = bulk.span_worker(settings())
        span = worker.process(message, time_left_s, deliveries=deliveries, is_last_delivery=deliveries >= MAX_RECEIVES)
    telemetry.count("samples", span.results.rows + span.failed if span else 0)
    telemetry.count("failed_samples", span.failed if span else 0)
    telemetry.logger.info("span processed", job_id=message.job_id, span=message.number, is_complete=span is not None)
