"""Client of the API's upload results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pigeonhole.contract.upload_results import UPLOAD_RESULTS, UploadResult, UploadResultsResponse
from pigeonhole_cli.http_client import PAGE_SIZE, ApiClient, ApiResponse

UploadAnswer = ApiResponse[UploadResult]


@dataclass(frozen=True)
class UploadResultsClient:
    """The requests about upload results. Every method raises ApiError.

    Attributes:
        client: The API.
    """

    client: ApiClient

    def list_by_prefix(self, prefix: str) -> Iterator[UploadAnswer]:
        """Yield all results whose object key begins with `prefix`, sorted by object key."""
        params: dict[str, str | int] = {"prefix": prefix, "limit": PAGE_SIZE}
        while True:
            page = self.client.call(UploadResultsResponse, "GET", UPLOAD_RESULTS, params=params)
            yield from (ApiResponse(*pair) for pair in zip(page.raw["results"], page.body.results, strict=True))
            if page.body.cursor is None:
                return
            params["cursor"] = page.body.cursor
