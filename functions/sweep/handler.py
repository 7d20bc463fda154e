"""Mend, on a schedule, what a crash between two services left of jobs, and ask for the webhooks that are due."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pigeonhole import wiring
from pigeonhole.observability import observed, observer, stack_trace


@observed("sweep", log_id_path="id")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    seen = observer("sweep")

    def failed(job_id: str, error: Exception | None) -> None:
        seen.failed("job_not_swept")
        seen.logger.error("a job could not be looked after", job_id=job_id, trace=stack_trace(error))

    swept = wiring.job_sweeper(wiring.settings()).sweep(failed)
    seen.count("due_jobs", swept.due)
    seen.count("queued_again", swept.queued)
    seen.count("announced_again", swept.notified)
    seen.count("given_up", swept.given_up)
    seen.logger.info("swept", **asdict(swept))
    return asdict(swept)
