"""Wait for the results of uploads, with a progress bar on a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from pigeonhole_cli.progress import progress_bar
from pigeonhole_cli.uploads.client import UploadResultsClient
from pigeonhole_cli.uploads.prefixes import choose_prefixes
from pigeonhole_cli.uploads.tracked_upload import TrackedUpload

MIN_PAUSE_S, MAX_PAUSE_S, PAUSE_GROWTH = 1.0, 5.0, 1.5


def watch_results(
    results: UploadResultsClient,
    uploads: Sequence[TrackedUpload],
    timeout_s: float,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Set each upload's result as it becomes available, until all uploads have one or the time is over.

    Every upload has a new object key, so a result under that key belongs to that upload and no clocks are compared.

    Raises:
        ApiError: The API failed.
    """
    outstanding = {upload.object_key: upload for upload in uploads if upload.object_key is not None and upload.result is None}
    object_keys, total, failed = list(outstanding), len(outstanding), 0
    end, pause_s = clock() + timeout_s, MIN_PAUSE_S
    with progress_bar() as bar:
        while outstanding:
            bar.show("classifying", total - len(outstanding), total, failed)
            for prefix in choose_prefixes(outstanding, object_keys):
                for result in results.list_by_prefix(prefix):
                    if upload := outstanding.pop(result.body.key, None):
                        upload.result = result
                        failed += upload.has_error
                bar.show("classifying", total - len(outstanding), total, failed)
            remaining_s = end - clock()
            if not outstanding or remaining_s <= 0:
                return
            results.client.sleep(min(pause_s, remaining_s))
            pause_s = min(pause_s * PAUSE_GROWTH, MAX_PAUSE_S)
