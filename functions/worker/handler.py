"""Work on chunks of jobs that the queue brings: the classify image, with this handler as its command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

# As in functions/classify: a broken image fails while it starts, the weights load at the first call.
from pigeonhole import wiring
from pigeonhole.aws.lambda_events import RETRY_LONGER, each_message, message_of, pause_s, tries_of
from pigeonhole.contract.messages import ChunkMessage
from pigeonhole.errors import Overloaded
from pigeonhole.observability import observed, observer, stack_trace

TRIES = 3  # the template's maxReceiveCount
BUSY_LONGER = 30  # the second pause is a quarter of an hour: an outage of the table or the bucket passes


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
        worker = wiring.chunk_worker(wiring.settings())
        parts = worker.process(message, time_left_s, attempt=tries_of(record), is_last_attempt=tries_of(record) >= TRIES)
    except Exception as error:  # its message may quote a sample, which no log may hold
        seen.failed("chunk_failed")
        seen.logger.error("a chunk could not be done", job_id=message.job_id, start=message.start, trace=stack_trace(error))
        longer = BUSY_LONGER if isinstance(error, Overloaded) else RETRY_LONGER
        wiring.chunk_queue(wiring.settings()).retry_in(record.receipt_handle, pause_s(record, TRIES, longer))
        raise
    samples = sum(len(part.span) for part in parts)
    seen.count("samples", samples)
    seen.count("failed_samples", sum(part.failed for part in parts))
    seen.logger.info("worked", job_id=message.job_id, start=message.start, stop=message.stop, samples=samples)
