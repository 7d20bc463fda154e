"""Mend, on a schedule, what a crash between two services left of jobs, and ask for the webhooks that are due."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pigeonhole import wiring
from pigeonhole.observability import observed, observer


@observed("sweep", log_id_path="id")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    swept = wiring.sweep(wiring.settings())()
    seen = observer("sweep")
    seen.count("due_jobs", swept.due)
    seen.count("queued_again", swept.queued)
    seen.count("announced_again", swept.announced)
    seen.logger.info("swept", **asdict(swept))
    return asdict(swept)
