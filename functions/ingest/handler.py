"""Take the files that were dropped into the upload bucket, as S3's notifications tell them, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from pigeonhole import wiring
from pigeonhole.aws.records import all_messages, uploads_of
from pigeonhole.observability import observed, observer, places_of


@observed("ingest", log_id_path="Records[0].messageId")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return all_messages(event, _take)


def _take(records: Sequence[SQSRecord]) -> list[str]:
    """Take a batch of notifications; the ids of those that are to come again."""
    seen, settings = observer("ingest"), wiring.settings()

    def failed(tenant_id: str, error: Exception) -> None:
        seen.failed("upload_failed")
        seen.logger.error("uploads could not be taken", tenant=tenant_id, trace=places_of(error))

    told = {record.message_id: uploads_of(record, settings.upload_bucket, seen) for record in records}
    uploads = [upload for each in told.values() for upload in each]
    done = wiring.ingest(settings)(uploads, log_id=records[0].message_id, failed=failed)
    seen.count("uploads", len(uploads))
    seen.count("samples", done.samples)
    seen.count("refused_uploads", done.refused)
    seen.count("stray_uploads", done.strays)
    seen.logger.info(
        "taken",
        uploads=len(uploads),
        jobs=done.jobs,
        samples=done.samples,
        refused=done.refused,
        known=done.known,
        strays=done.strays,
        left=len(done.left),
    )
    return [message_id for message_id, each in told.items() if done.left.intersection(each)]
