"""The event bus: events on Amazon EventBridge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from pigeonhole.contract.messages import AnyEvent, JobEnded, UploadsClassified
from pigeonhole.errors import Overloaded

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

SOURCE, JOB_ENDED, UPLOADS_CLASSIFIED = "pigeonhole", "Job Ended", "Uploads Classified"
DETAIL_TYPES = {JobEnded: JOB_ENDED, UploadsClassified: UPLOADS_CLASSIFIED}
# Limits of one PutEvents. It takes 256 KB, which also has to hold what surrounds the events.
MAX_BATCH_EVENTS, MAX_BATCH_BYTES = 10, 200_000


class EventBridgeBus:
    """The EventBus of a deployment."""

    def __init__(self, client: EventBridgeClient, bus: str) -> None:
        """Create the adapter for the bus of that name."""
        self._client = client
        self._bus = bus

    def put(self, events: Sequence[AnyEvent]) -> None:
        """Publish events in batches. See `EventBus.put`."""
        for entries in _split_into_batches([self._to_entry(event) for event in events]):
            try:
                failed = self._client.put_events(Entries=entries)["FailedEntryCount"]
            except (ClientError, BotoCoreError) as error:
                raise Overloaded() from error
            if failed:
                raise Overloaded()

    def _to_entry(self, event: AnyEvent) -> PutEventsRequestEntryTypeDef:
        return {
            "EventBusName": self._bus,
            "Source": SOURCE,
            "DetailType": DETAIL_TYPES[type(event)],
            "Detail": event.model_dump_json(),
        }


def _split_into_batches(entries: Sequence[PutEventsRequestEntryTypeDef]) -> Iterator[list[PutEventsRequestEntryTypeDef]]:
    batch: list[PutEventsRequestEntryTypeDef] = []
    batch_bytes = 0
    for entry in entries:
        entry_bytes = len(entry["Detail"].encode())
        if batch and (len(batch) == MAX_BATCH_EVENTS or batch_bytes + entry_bytes > MAX_BATCH_BYTES):
            yield batch
            batch, batch_bytes = [], 0
        batch.append(entry)
        batch_bytes += entry_bytes
    if batch:
        yield batch
