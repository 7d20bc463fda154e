"""Create jobs from the files that S3's notifications report, a batch of notifications at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from pigeonhole.aws.lambda_events import parse_uploads, process_batch, retry_pause_s
from pigeonhole.errors import Overloaded
from pigeonhole.observability import observed, observer, stack_trace
from pigeonhole.uploads.ingest import IngestSummary
from pigeonhole.wiring import jobs, settings

MAX_RECEIVES = 5  # the template's maxReceiveCount
LAST_S = 2.0  # of the function's time, in which no message is delayed any more


def services() -> jobs.IngestServices:
    """Return the services, which the first call builds."""
    return jobs.ingest_services(settings())


@observed("ingest", log_id_path="Records[0].messageId")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle the messages of the queue of S3's notifications."""
    return process_batch(event, lambda records: _ingest(records, lambda: context.get_remaining_time_in_millis() / 1000))


def _ingest(records: Sequence[SQSRecord], time_left_s: Callable[[], float]) -> list[str]:
    """Ingest the uploads of a batch of notifications. Return the ids of the messages that must be redelivered."""
    ingester = services().ingester
    uploads = {record.message_id: parse_uploads(record, ingester.bucket, observer("ingest")) for record in records}
    every_upload = [upload for record_uploads in uploads.values() for upload in record_uploads]
    summary = ingester.ingest(every_upload, records[0].message_id, time_left_s)
    failed = [record for record in records if summary.left.intersection(uploads[record.message_id])]
    _report(summary, uploads=len(every_upload), redelivered=len(failed))
    with suppress(Overloaded):  # then SQS redelivers the messages when their visibility timeout ends
        for record in failed:
            if time_left_s() < LAST_S:
                break
            services().queue.retry_in(record.receipt_handle, retry_pause_s(record, MAX_RECEIVES))
    return [record.message_id for record in failed]


def _report(summary: IngestSummary, *, uploads: int, redelivered: int) -> None:
    telemetry = observer("ingest")
    for tenant_id, error in summary.errors:
        telemetry.count_error("upload_failed")
        telemetry.logger.error("uploads could not be ingested", tenant=tenant_id, trace=stack_trace(error))
    telemetry.count("uploads", uploads)
    telemetry.count("samples", summary.samples)
    telemetry.count("refused_uploads", summary.refused)
    telemetry.count("stray_uploads", summary.strays)
    telemetry.logger.info(
        "ingested",
        uploads=uploads,
        jobs=summary.jobs,
        samples=summary.samples,
        refused=summary.refused,
        known=summary.known,
        strays=summary.strays,
        redelivered=redelivered,
    )
