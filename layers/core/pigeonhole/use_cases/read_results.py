"""A tenant's uploaded objects: what became of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from pigeonhole.contract_results import ResultsWanted, UploadResultsResponse
from pigeonhole.errors import InvalidRequest, NotFound
from pigeonhole.ports import ResultsPage, ResultStore

NO_CURSOR = "cursor: must be what the page before gave, with the same prefix, since and until"
NO_SUCH_RESULT = "There is no result of this key: nothing was uploaded there, it is being classified, or it is forgotten."


@dataclass(frozen=True)
class ReadResults:
    """The service behind `GET /v1/results`. `bucket`: of uploads; a key may be written as s3://bucket/key, too."""

    store: ResultStore
    bucket: str = ""
    clock: Callable[[], float] = time.time

    def __call__(self, tenant_id: str, wanted: ResultsWanted) -> ResultsPage:
        """Read results. Raises NotFound for a key without one, InvalidRequest for a cursor that no page gave."""
        if wanted.key is not None:
            found = self.store.get(tenant_id, self._plain(wanted.key))
            if found is None or found.expires_at <= self.clock():
                raise NotFound(NO_SUCH_RESULT)
            return ResultsPage([found], None)
        page = self._page(tenant_id, wanted, self._plain(wanted.prefix))
        # The table may take days to forget a result whose time is over.
        return ResultsPage([result for result in page.results if result.expires_at > self.clock()], page.next)

    def _page(self, tenant_id: str, wanted: ResultsWanted, prefix: str) -> ResultsPage:
        start = wanted.cursor
        if wanted.by_key:
            if start is not None and not start.startswith(prefix):
                raise InvalidRequest(NO_CURSOR)
            return self.store.page(tenant_id, prefix, wanted.limit, start)
        since = 0.0 if wanted.since is None else wanted.since
        until = self.clock() + 1 if wanted.until is None else wanted.until
        if since > until:
            raise InvalidRequest("since: must not be after until")
        if start is not None and not _is_between(start, since, until):
            raise InvalidRequest(NO_CURSOR)
        return self.store.newest(tenant_id, prefix, since, until, wanted.limit, start)

    def _plain(self, key: str) -> str:
        return key.removeprefix(f"s3://{self.bucket}/") if self.bucket else key


def _is_between(start: str, since: float, until: float) -> bool:
    at, _, key = start.partition(" ")
    try:
        return bool(key) and math.isfinite(float(at)) and since <= float(at) <= until
    except ValueError:
        return False


def results_of(page: ResultsPage, log_id: str) -> UploadResultsResponse:
    """A page as its caller sees it, without its cursor."""
    return UploadResultsResponse(log_id=log_id, results=[result.told for result in page.results])
