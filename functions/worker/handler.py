"""Work on chunks of jobs that the queue brings: the classify image, with this handler as its command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

# As in functions/classify: a broken image fails while it starts, the weights load at the first call.
import pigeonhole.encoders.onnx_encoder
import pigeonhole.use_cases.process_chunk
import pigeonhole.use_cases.run_chunk  # noqa: F401
from pigeonhole import wiring
from pigeonhole.aws.records import each_message, message_of, pause_s, tries_of
from pigeonhole.messages import ChunkMessage
from pigeonhole.observability import observed, observer, places_of

TRIES = 3  # the template's maxReceiveCount


def services() -> wiring.WorkerServices:
    return wiring.worker_services(wiring.settings())


@observed("worker", log_id_path="Records[0].messageId")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return each_message(event, context, lambda record: _work(record, lambda: context.get_remaining_time_in_millis() / 1000))


def _work(record: SQSRecord, time_left_s: Callable[[], float]) -> None:
    seen = observer("worker")
    seen.count("messages")
    message = message_of(record, ChunkMessage, seen)
    if message is None:
        return
    try:
        part = services().process_chunk(message, time_left_s, is_last_try=tries_of(record) >= TRIES)
    except Exception as error:  # its message may quote a sample, which no log may hold
        seen.failed("chunk_failed")
        seen.logger.error("a chunk could not be done", job_id=message.job_id, start=message.start, trace=places_of(error))
        services().queue.retry_in(record.receipt_handle, pause_s(record, most_tries=TRIES))
        raise
    if part:
        seen.count("samples", len(part.span))
        seen.count("failed_samples", part.failed)
    seen.logger.info(
        "worked", job_id=message.job_id, start=message.start, stop=message.stop, samples=len(part.span) if part else 0
    )
