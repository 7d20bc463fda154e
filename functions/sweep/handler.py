"""Continue, on a schedule, what a crash interrupted in jobs, and request the webhook attempts that are due."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pigeonhole.observability import observed, observer
from pigeonhole.wiring import jobs, settings


@observed("sweep", log_id_path="id")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Check the jobs that are due. The answer counts what was done."""
    telemetry = observer("sweep")

    def report(job_id: str, error: Exception | None) -> None:
        telemetry.report_failure(error, code="job_not_swept", message="a job could not be checked", job_id=job_id)

    summary = jobs.job_sweeper(settings()).sweep(report)
    telemetry.count("due_jobs", summary.due)
    telemetry.count("queued_again", summary.queued)
    telemetry.count("announced_again", summary.notified)
    telemetry.count("given_up", summary.given_up)
    telemetry.logger.info("swept", **asdict(summary))
    return asdict(summary)
