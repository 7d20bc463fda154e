"""Publish the ends of jobs that the DynamoDB stream delivers."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord

from pigeonhole.aws.lambda_events import parse_job_key, process_changes
from pigeonhole.observability import observed, observer
from pigeonhole.wiring import jobs, settings


@observed("notify", log_id_path="Records[0].eventID")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Publish the end of each job of the event, in order. The answer names those that Lambda must deliver again."""
    return process_changes(event, context, _notify)


def _notify(record: DynamoDBRecord) -> None:
    telemetry = observer("notify")
    tenant_id, job_id = parse_job_key(record)
    with telemetry.failures_reported(
        code="announcement_failed", message="the end of a job could not be published", job_id=job_id
    ):
        published = jobs.job_end_notifier(settings()).notify(tenant_id, job_id)
    if published is None:
        return
    job, upload_results = published
    telemetry.count("ended_jobs")
    telemetry.count("results", upload_results.published)
    telemetry.count("failed_results", upload_results.failed)
    telemetry.count("untagged_uploads", upload_results.untagged)
    telemetry.logger.info(
        "job end published",
        job_id=job_id,
        status=job.status,
        webhook=job.webhook is not None,
        results=upload_results.published,
    )
