"""Tell the ends of jobs that the table's stream brings."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord

from pigeonhole import wiring
from pigeonhole.aws.lambda_events import each_change, job_of
from pigeonhole.observability import observed, observer, stack_trace


@observed("notify", log_id_path="Records[0].eventID")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return each_change(event, context, _tell)


def _tell(record: DynamoDBRecord) -> None:
    seen = observer("notify")
    tenant_id, job_id = job_of(record)
    try:
        told = wiring.job_end_notifier(wiring.settings()).notify(tenant_id, job_id)
    except Exception as error:
        seen.failed("announcement_failed")
        seen.logger.error("a job's end could not be told", job_id=job_id, trace=stack_trace(error))
        raise
    if told is None:
        return
    job, results = told
    seen.count("ended_jobs")
    seen.count("results", results.published)
    seen.count("failed_results", results.failed)
    seen.count("untagged_uploads", results.untagged)
    seen.logger.info("told", job_id=job_id, status=job.status, webhook=job.webhook is not None, results=results.published)
