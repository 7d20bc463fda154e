"""Mend, on a schedule, what a crash between two services left of jobs."""

from __future__ import annotations

from typing import Any

from pigeonhole import wiring
from pigeonhole.observability import observed, observer


@observed("sweep", log_id_path="id")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    swept = wiring.sweep(wiring.settings())()
    seen = observer("sweep")
    seen.count("due_jobs", swept.due)
    seen.count("queued_again", swept.queued)
    seen.logger.info("swept", due=swept.due, queued=swept.queued)
    return {"due": swept.due, "queued": swept.queued}
