"""Do the next step of each bulk job that the queue names: plan its spans, queue the open ones, or end it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from pigeonhole import wiring
from pigeonhole.aws.lambda_events import parse_message, process_messages, retry_pause_s
from pigeonhole.contract.messages import PLAN
from pigeonhole.observability import observed, observer

MAX_RECEIVES = 1_000  # the queue has no dead-letter queue, so a message is delivered until it expires


@observed("plan", log_id_path="Records[0].messageId")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Process each message of the event. The answer names those that SQS must deliver again."""
    return process_messages(
        event, context, lambda record: _advance(record, lambda: context.get_remaining_time_in_millis() / 1000)
    )


def _advance(record: SQSRecord, time_left_s: Callable[[], float]) -> None:
    telemetry = observer("plan")
    telemetry.count("messages")
    message = parse_message(record, PLAN, telemetry)
    if message is None:
        return
    try:
        with telemetry.failures_reported(code="plan_failed", message="a bulk job could not be planned", job_id=message.job_id):
            job = wiring.bulk_planner(wiring.settings()).advance(message, time_left_s)
    except Exception:
        # The visibility timeout is longer than the longest plan. After a fault, the next attempt needn't wait for that.
        wiring.plan_queue(wiring.settings()).retry_in(record.receipt_handle, retry_pause_s(record, MAX_RECEIVES))
        raise
    telemetry.logger.info(
        "bulk job advanced",
        job_id=message.job_id,
        status=job.status if job else None,
        segments=job.bulk.segments if job and job.bulk else None,
        spans=job.bulk.spans if job and job.bulk else None,
    )
