"""The event bus: the adapter behind ports.EventBus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from pigeonhole.contract.messages import AnyEvent, JobEnded, UploadClassified
from pigeonhole.errors import Overloaded

SOURCE, JOB_ENDED, UPLOAD_CLASSIFIED = "pigeonhole", "Job Ended", "Upload Classified"
TYPES = {JobEnded: JOB_ENDED, UploadClassified: UPLOAD_CLASSIFIED}
BATCH, BATCH_BYTES = 10, 200_000  # of one PutEvents, which takes 256 KB with all that is around the events


class EventBridgeBus:
    """The EventBus of a deployment. `client`: a boto3 EventBridge client; `bus`: the bus's name."""

    def __init__(self, client: Any, bus: str) -> None:
        self._client = client
        self._bus = bus

    def put(self, events: Sequence[AnyEvent]) -> None:
        for entries in _batches([self._entry(event) for event in events]):
            try:
                refused = self._client.put_events(Entries=entries)["FailedEntryCount"]
            except (ClientError, BotoCoreError) as error:
                raise Overloaded() from error
            if refused:
                raise Overloaded()

    def _entry(self, event: AnyEvent) -> dict[str, str]:
        kind, detail = TYPES[type(event)], event.model_dump_json()
        return {"EventBusName": self._bus, "Source": SOURCE, "DetailType": kind, "Detail": detail}


def _batches(entries: Sequence[dict[str, str]]) -> Iterator[list[dict[str, str]]]:
    batch: list[dict[str, str]] = []
    size = 0
    for entry in entries:
        more = len(entry["Detail"].encode())
        if batch and (len(batch) == BATCH or size + more > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += more
    if batch:
        yield batch
