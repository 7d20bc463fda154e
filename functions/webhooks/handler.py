"""Post the ends of jobs to the addresses that their callers named."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from pigeonhole import wiring
from pigeonhole.aws.lambda_events import each_message, message_of
from pigeonhole.contract.jobs import DeliveryStatus
from pigeonhole.contract.messages import WebhookMessage
from pigeonhole.observability import observed, observer, stack_trace


@observed("webhooks", log_id_path="Records[0].messageId")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return each_message(event, context, _post)


def _post(record: SQSRecord) -> None:
    seen = observer("webhooks")
    message = message_of(record, WebhookMessage, seen)
    if message is None:
        return
    try:
        webhook = wiring.webhook_deliverer(wiring.settings()).deliver(message)
    except Exception as error:
        seen.failed("delivery_failed")
        seen.logger.error("a webhook could not be tried", job_id=message.job_id, trace=stack_trace(error))
        raise
    if webhook is None:
        return
    seen.count("tries")
    seen.count("deliveries", webhook.status is DeliveryStatus.DELIVERED)
    seen.count("given_up", webhook.status is DeliveryStatus.GIVEN_UP)
    status = webhook.attempts[-1].status  # and not the address, which is the caller's
    seen.logger.info("tried", job_id=message.job_id, attempt=message.attempt, answer=status, delivery=webhook.status)
