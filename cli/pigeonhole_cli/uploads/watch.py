"""Wait for the results of uploaded files, with a bar where somebody looks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from pigeonhole_cli.progress import opened_bar
from pigeonhole_cli.uploads.client import ResultsApi
from pigeonhole_cli.uploads.prefixes import prefixes
from pigeonhole_cli.uploads.tables import Handled, has_error

FIRST_PAUSE_S, LONGEST_PAUSE_S, GROWTH = 1.0, 5.0, 1.5


def watch(results: ResultsApi, files: Sequence[Handled], timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
    """Give each file that was uploaded its result, as it comes, until all have one or the time is over. Raises ApiError.

    A key is made anew for each upload, so a result of it is that upload's, and no clocks need to agree.
    """
    outstanding = {each.key: each for each in files if each.key is not None and each.result is None}
    keys, total, failed = list(outstanding), len(outstanding), 0
    end, pause_s = clock() + timeout_s, FIRST_PAUSE_S
    with opened_bar() as bar:
        while outstanding:
            bar.show("classifying", total - len(outstanding), total, failed)
            for prefix in prefixes(outstanding, keys):
                for told in results.of_prefix(prefix):
                    if file := outstanding.pop(told.answer.key, None):
                        file.result = told
                        failed += has_error(file)
                bar.show("classifying", total - len(outstanding), total, failed)
            left_s = end - clock()
            if not outstanding or left_s <= 0:
                return
            results.api.sleep(min(pause_s, left_s))
            pause_s = min(pause_s * GROWTH, LONGEST_PAUSE_S)
