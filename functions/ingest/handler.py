"""Take the files that were dropped into the upload bucket, as S3's notifications tell them, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from pigeonhole import wiring
from pigeonhole.aws.lambda_events import all_messages, pause_s, uploads_of
from pigeonhole.errors import Overloaded
from pigeonhole.observability import observed, observer, stack_trace

TRIES = 5  # the template's maxReceiveCount
LAST_S = 2.0  # of the function's time, for nothing more


def services() -> wiring.IngestServices:
    return wiring.ingest_services(wiring.settings())


@observed("ingest", log_id_path="Records[0].messageId")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return all_messages(event, lambda records: _take(records, lambda: context.get_remaining_time_in_millis() / 1000))


def _take(records: Sequence[SQSRecord], time_left_s: Callable[[], float]) -> list[str]:
    """Take a batch of notifications; the ids of those that are to come again."""
    seen, own = observer("ingest"), services()
    told = [(record, uploads_of(record, own.ingester.bucket, seen)) for record in records]
    uploads = [upload for _, each in told for upload in each]
    done = own.ingester.ingest(uploads, records[0].message_id, time_left_s)
    for tenant_id, error in done.errors:
        seen.failed("upload_failed")
        seen.logger.error("uploads could not be taken", tenant=tenant_id, trace=stack_trace(error))
    seen.count("uploads", len(uploads))
    seen.count("samples", done.samples)
    seen.count("refused_uploads", done.refused)
    seen.count("stray_uploads", done.strays)
    again = [record for record, each in told if done.left.intersection(each)]
    seen.logger.info(
        "taken",
        uploads=len(uploads),
        jobs=done.jobs,
        samples=done.samples,
        refused=done.refused,
        known=done.known,
        strays=done.strays,
        again=len(again),
    )
    with suppress(Overloaded):  # then they come again when their visibility ends
        for record in again:
            if time_left_s() < LAST_S:
                break
            own.queue.retry_in(record.receipt_handle, pause_s(record, TRIES))
    return [record.message_id for record in again]
