"""Deliver the ends of jobs to their webhooks, one attempt per message."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from pigeonhole.aws.lambda_events import parse_message, process_messages
from pigeonhole.contract.jobs import DeliveryStatus
from pigeonhole.contract.messages import WEBHOOK
from pigeonhole.observability import observed, observer
from pigeonhole.wiring import jobs, settings


@observed("webhooks", log_id_path="Records[0].messageId")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Make the attempt of each message of the event. The answer names those that SQS must deliver again."""
    return process_messages(event, context, _deliver)


def _deliver(record: SQSRecord) -> None:
    telemetry = observer("webhooks")
    message = parse_message(record, WEBHOOK, telemetry)
    if message is None:
        return
    with telemetry.failures_reported(
        code="delivery_failed", message="a webhook attempt could not be made", job_id=message.job_id
    ):
        webhook = jobs.webhook_deliverer(settings()).deliver(message)
    if webhook is None:
        return
    telemetry.count("tries")
    telemetry.count("deliveries", webhook.status is DeliveryStatus.DELIVERED)
    telemetry.count("given_up", webhook.status is DeliveryStatus.GIVEN_UP)
    status = webhook.attempts[-1].status  # the webhook's address stays out of the log, because it is the caller's
    telemetry.logger.info(
        "webhook attempted", job_id=message.job_id, attempt=message.attempt, answer=status, delivery=webhook.status
    )
