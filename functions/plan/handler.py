"""Do the next step of each bulk job that the queue names, or estimate what a bulk job would take.

The image is that of functions/classify, with this handler: Parquet files need pyarrow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from pigeonhole.aws.lambda_events import parse_message, process_messages, receive_count, retry_pause_s
from pigeonhole.contract.commands import ErrorReply
from pigeonhole.contract.estimates import EstimateCommand, EstimateReply
from pigeonhole.contract.messages import PLAN
from pigeonhole.errors import InternalError, PigeonholeError
from pigeonhole.observability import observed, observer
from pigeonhole.wiring import bulk, settings

MAX_RECEIVES = 1_000  # the queue has no dead-letter queue, so a message is delivered until it expires


@observed("plan", log_id_path="log_id || Records[0].messageId")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Process each message of the event, or answer a command of functions/api.

    The answer names the messages that SQS must deliver again, or is an EstimateReply as JSON.
    """
    if "Records" not in event:
        reply: dict[str, Any] = _estimate(event).model_dump(mode="json", by_alias=True, exclude_none=True)
        return reply
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
            planner = bulk.bulk_planner(settings())
            job = planner.advance(message, time_left_s, deliveries=receive_count(record))
    except Exception:
        # The visibility timeout is longer than the longest plan. After a fault, the next attempt needn't wait for that.
        bulk.plan_queue(settings()).retry_in(record.receipt_handle, retry_pause_s(record, MAX_RECEIVES))
        raise
    telemetry.logger.info(
        "bulk job advanced",
        job_id=message.job_id,
        status=job.status if job else None,
        segments=job.bulk.segments if job and job.bulk else None,
        spans=job.bulk.spans if job and job.bulk else None,
    )


def _estimate(event: dict[str, Any]) -> EstimateReply:
    """Answer a command. Errors are replies, never exceptions."""
    telemetry = observer("plan")
    try:
        estimate = bulk.bulk_estimator(settings()).estimate(EstimateCommand.model_validate(event))
    except PigeonholeError as error:
        telemetry.count_error(error.code)
        return EstimateReply(error=ErrorReply.from_error(error))
    except Exception as error:  # The message may quote a key, which no log may hold.
        telemetry.report_failure(error, code="estimate_failed", message="a bulk job could not be estimated")
        return EstimateReply(error=ErrorReply.from_error(InternalError()))
    telemetry.count("estimates")
    telemetry.logger.info("estimated", samples=estimate.samples, is_exact=estimate.is_exact)
    return EstimateReply(estimate=estimate)
