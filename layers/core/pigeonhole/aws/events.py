"""The event bus: the adapter behind ports.EventBus."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from pigeonhole.errors import Overloaded
from pigeonhole.messages import JobEnded

SOURCE, JOB_ENDED = "pigeonhole", "Job Ended"


class EventBridgeBus:
    """The EventBus of a deployment. `client`: a boto3 EventBridge client; `bus`: the bus's name."""

    def __init__(self, client: Any, bus: str) -> None:
        self._client = client
        self._bus = bus

    def put(self, event: JobEnded) -> None:
        entry = {"EventBusName": self._bus, "Source": SOURCE, "DetailType": JOB_ENDED, "Detail": event.model_dump_json()}
        try:
            refused = self._client.put_events(Entries=[entry])["FailedEntryCount"]
        except (ClientError, BotoCoreError) as error:
            raise Overloaded() from error
        if refused:
            raise Overloaded()
