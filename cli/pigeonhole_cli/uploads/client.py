"""The results of uploaded files, as a deployed API has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pigeonhole.contract.upload_results import UPLOAD_RESULTS, UploadResult, UploadResultsResponse
from pigeonhole_cli.http_client import PAGE, Api, Told

ResultTold = Told[UploadResult]


@dataclass(frozen=True)
class ResultsApi:
    """What can be asked of results. Every method raises ApiError."""

    api: Api

    def of_prefix(self, prefix: str) -> Iterator[ResultTold]:
        """Each result whose key begins with `prefix`, in the order of keys, page after page."""
        params: dict[str, str | int] = {"prefix": prefix, "limit": PAGE}
        while True:
            told = self.api.call(UploadResultsResponse, "GET", UPLOAD_RESULTS, params=params)
            yield from (Told(*pair) for pair in zip(told.raw["results"], told.answer.results, strict=True))
            if told.answer.cursor is None:
                return
            params["cursor"] = told.answer.cursor
