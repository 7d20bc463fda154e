"""Client of the API's label sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pigeonhole.contract.label_sets import LABEL_SETS, LabelSetInfo, LabelSetResponse, LabelSetsResponse, RemovedResponse
from pigeonhole_cli.http_client import MAX_ATTEMPTS, PAGE_SIZE, ApiClient, ApiResponse


@dataclass(frozen=True)
class LabelSetsClient:
    """The requests about label sets. Every method raises ApiError.

    `preconditions` are the headers `If-Match` or `If-None-Match`.

    Attributes:
        client: The API.
    """

    client: ApiClient

    def put(self, name: str, body: bytes, preconditions: Mapping[str, str]) -> ApiResponse[LabelSetResponse]:
        """Save a label set.

        A request with a precondition is not retried: if the first attempt succeeded, it has changed what the second one
        compares with.
        """
        headers = {"content-type": "application/json", **preconditions}
        attempts = 1 if preconditions else MAX_ATTEMPTS
        path = f"{LABEL_SETS}/{name}"
        return self.client.call(LabelSetResponse, "PUT", path, content=body, headers=headers, attempts=attempts)

    def get(self, name: str) -> ApiResponse[LabelSetResponse]:
        """Return a label set."""
        return self.client.call(LabelSetResponse, "GET", f"{LABEL_SETS}/{name}")

    def list_all(self) -> Iterator[LabelSetInfo]:
        """Yield all label sets, sorted by name."""
        params: dict[str, str | int] = {"limit": PAGE_SIZE}
        while True:
            page = self.client.call(LabelSetsResponse, "GET", LABEL_SETS, params=params).body
            yield from page.label_sets
            if page.cursor is None:
                return
            params["cursor"] = page.cursor

    def delete(self, name: str, preconditions: Mapping[str, str]) -> None:
        """Delete a label set. The request is not retried: if the first attempt succeeded, the second one would fail."""
        self.client.call(RemovedResponse, "DELETE", f"{LABEL_SETS}/{name}", headers=dict(preconditions), attempts=1)
