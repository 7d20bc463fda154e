"""The label sets of a deployed API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pigeonhole.contract.label_sets import LABEL_SETS, LabelSetInfo, LabelSetResponse, LabelSetsResponse, RemovedResponse
from pigeonhole_cli.http_client import PAGE, TRIES, Api, Told


@dataclass(frozen=True)
class LabelSetsApi:
    """What can be asked of label sets. `precondition`: headers that say what has to be so. Every method raises ApiError."""

    api: Api

    def put(self, name: str, body: bytes, precondition: Mapping[str, str]) -> Told[LabelSetResponse]:
        """Save a label set. With a precondition asked once: a second try would be told of what the first one changed."""
        headers = {"content-type": "application/json", **precondition}
        tries = 1 if precondition else TRIES
        return self.api.call(LabelSetResponse, "PUT", f"{LABEL_SETS}/{name}", content=body, headers=headers, tries=tries)

    def read(self, name: str) -> Told[LabelSetResponse]:
        """Look at a label set."""
        return self.api.call(LabelSetResponse, "GET", f"{LABEL_SETS}/{name}")

    def every(self) -> Iterator[LabelSetInfo]:
        """All label sets, by name, page after page."""
        params: dict[str, str | int] = {"limit": PAGE}
        while True:
            page = self.api.call(LabelSetsResponse, "GET", LABEL_SETS, params=params).answer
            yield from page.label_sets
            if page.cursor is None:
                return
            params["cursor"] = page.cursor

    def remove(self, name: str, precondition: Mapping[str, str]) -> None:
        """Remove a label set: asked once, since a second try would be told that there is none."""
        self.api.call(RemovedResponse, "DELETE", f"{LABEL_SETS}/{name}", headers=dict(precondition), tries=1)
