"""A tenant's uploaded objects: what became of them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from pigeonhole.contract.upload_results import ResultsWanted
from pigeonhole.contract.validation import invalid_request
from pigeonhole.errors import Fault, NotFound
from pigeonhole.object_keys import MAX_KEY_BYTES
from pigeonhole.ports import Page
from pigeonhole.uploads.ports import UploadResultStore
from pigeonhole.uploads.upload_result import ObjectResult

NO_CURSOR = Fault("cursor", "must be what the page before gave, with the same prefix, since and until")
NO_SUCH_RESULT = "There is no result of this key: nothing was uploaded there, it is being classified, or it is forgotten."


@dataclass(frozen=True, kw_only=True)
class UploadResultReader:
    """The service behind `GET /v1/results`. `bucket`: of uploads; a key may be written as s3://bucket/key, too."""

    store: UploadResultStore
    bucket: str = ""
    clock: Callable[[], float] = time.time

    def read(self, tenant_id: str, wanted: ResultsWanted) -> Page[ObjectResult]:
        """Read results. Raises NotFound for a key without one, InvalidRequest for a cursor that no page gave."""
        if wanted.key is not None:
            key = self._plain(wanted.key)
            found = self.store.get(tenant_id, key) if _could_be_key(key) else None
            if found is None or found.expires_at <= self.clock():
                raise NotFound(NO_SUCH_RESULT)
            return Page([found], None)
        prefix = self._plain(wanted.prefix)
        page = self._page(tenant_id, wanted, prefix) if _could_be_key(prefix or "any") else Page([], None)
        # The table may take days to forget a result whose time is over.
        return Page([result for result in page.items if result.expires_at > self.clock()], page.next)

    def _page(self, tenant_id: str, wanted: ResultsWanted, prefix: str) -> Page[ObjectResult]:
        start = wanted.cursor
        if wanted.by_key:
            if start is not None and not (start.startswith(prefix) and _could_be_key(start)):
                raise invalid_request((NO_CURSOR,))
            return self.store.page(tenant_id, prefix, wanted.limit, start)
        since = 0.0 if wanted.since is None else wanted.since
        until = self.clock() + 1 if wanted.until is None else wanted.until
        if since > until:
            if wanted.until is None:
                return Page([], None)  # the caller's clock is ahead
            raise invalid_request((Fault("since", "must not be after until"),))
        if start is not None and not _is_between(start, since, until):
            raise invalid_request((NO_CURSOR,))
        return self.store.newest(tenant_id, prefix, since, until, wanted.limit, start)

    def _plain(self, key: str) -> str:
        return key.removeprefix(f"s3://{self.bucket}/") if self.bucket else key


def _is_between(start: str, since: float, until: float) -> bool:
    at, _, key = start.partition(" ")
    # As the table writes a time: it refuses whole requests for some other texts that are numbers to Python.
    is_time = re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,20})?", at) is not None
    return is_time and since <= float(at) <= until and _could_be_key(key)


def _could_be_key(key: str) -> bool:
    """Whether an object could have that key; the table refuses to look for any other."""
    try:
        return 0 < len(key.encode()) <= MAX_KEY_BYTES
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
