"""Read the results of a tenant's uploads."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from pigeonhole.bulk.read import BulkJobReader
from pigeonhole.contract.jobs import BulkResults
from pigeonhole.contract.upload_results import UploadResultsQuery
from pigeonhole.contract.validation import invalid_request
from pigeonhole.errors import Fault, NotFound
from pigeonhole.jobs.ports import JobStore
from pigeonhole.object_keys import MAX_KEY_BYTES
from pigeonhole.ports import Page
from pigeonhole.uploads.ports import UploadResultStore
from pigeonhole.uploads.upload_result import UploadResult

BAD_CURSOR = Fault("cursor", "must be the `cursor` of the previous page, with the same prefix, since and until")
NO_SUCH_RESULT = (
    "There is no result of this key: the file was never uploaded, is still being classified, or its result has expired."
)
CLOCK_SKEW_S = 1  # results that another machine's clock dates into the future are listed


@dataclass(frozen=True, kw_only=True)
class UploadResultReader:
    """The service behind `GET /v1/results`.

    Attributes:
        store: Where results are stored.
        jobs: Where jobs are stored.
        bulk: Reads where the results of bulk jobs are.
        bucket: The upload bucket, for keys that are written as s3://bucket/key.
        clock: Returns seconds since 1970.
    """

    store: UploadResultStore
    jobs: JobStore
    bulk: BulkJobReader
    bucket: str = ""
    clock: Callable[[], float] = time.time

    def get(self, tenant_id: str, object_key: str) -> UploadResult:
        """Return the result of one upload.

        Args:
            tenant_id: The caller.
            object_key: The file's key in the upload bucket, or its s3:// address.

        Raises:
            NotFound: The tenant has no such result.
            Overloaded: A retry may help.
        """
        object_key = self._to_object_key(object_key)
        result = self.store.get(tenant_id, object_key) if _is_possible_key(object_key) else None
        if result is None or result.expires_at <= self.clock():
            raise NotFound(NO_SUCH_RESULT)
        return result

    def link_lines(self, result: UploadResult) -> BulkResults | None:
        """Return links to the results of a file's lines, None unless a bulk job classified the file.

        Raises:
            Overloaded: A retry may help.
        """
        if result.job_id is None or result.samples is None or result.results_line is not None:
            return None
        job = self.jobs.get(result.tenant_id, result.job_id)
        return self.bulk.read_results(job) if job and job.bulk else None

    def list(self, tenant_id: str, wanted: UploadResultsQuery) -> Page[UploadResult]:
        """Return a page of results, by key or newest first.

        Raises:
            InvalidRequest: The cursor is of another list, or `since` is after `until`.
            Overloaded: A retry may help.
        """
        prefix = self._to_object_key(wanted.prefix)
        page = self._read_page(tenant_id, wanted, prefix) if _is_possible_key(prefix or "any") else Page([], None)
        # The table may take days to delete an expired result.
        return Page([result for result in page.items if result.expires_at > self.clock()], page.next)

    def _read_page(self, tenant_id: str, wanted: UploadResultsQuery, prefix: str) -> Page[UploadResult]:
        start = wanted.cursor
        if wanted.is_by_object_key:
            if start is not None and not (start.startswith(prefix) and _is_possible_key(start)):
                raise invalid_request((BAD_CURSOR,))
            return self.store.page(tenant_id, prefix, wanted.limit, start)
        since = 0.0 if wanted.since is None else wanted.since
        until = self.clock() + CLOCK_SKEW_S if wanted.until is None else wanted.until
        if since > until:
            if wanted.until is None:
                return Page([], None)  # the caller's clock is ahead
            raise invalid_request((Fault("since", "must not be after until"),))
        if start is not None and not _is_between(start, since, until):
            raise invalid_request((BAD_CURSOR,))
        return self.store.newest(tenant_id, prefix, since, until, wanted.limit, start)

    def _to_object_key(self, address: str) -> str:
        """Remove the bucket from an s3:// address."""
        return address.removeprefix(f"s3://{self.bucket}/") if self.bucket else address


def _is_between(cursor: str, since: float, until: float) -> bool:
    """Return whether a cursor, a time and a key, belongs to a list of results from `since` to `until`."""
    classified_at, _, object_key = cursor.partition(" ")
    # Only as the table writes a time: it rejects some other texts that Python reads as numbers.
    is_time = re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,20})?", classified_at) is not None
    return is_time and since <= float(classified_at) <= until and _is_possible_key(object_key)


def _is_possible_key(object_key: str) -> bool:
    """Return whether S3 takes the key. The table rejects a query for any other."""
    try:
        return 0 < len(object_key.encode()) <= MAX_KEY_BYTES
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
