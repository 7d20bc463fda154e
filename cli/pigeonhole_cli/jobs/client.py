"""The jobs of a deployed API."""

from __future__ import annotations

from dataclasses import dataclass

from pigeonhole.contract.jobs import JOBS, JobResponse, JobsResponse
from pigeonhole_cli.http_client import PAGE, Api, ApiError, Told

JobTold = Told[JobResponse]


@dataclass(frozen=True)
class JobsApi:
    """What can be asked of jobs. Every method raises ApiError."""

    api: Api

    def submit(self, body: bytes, idempotency_key: str) -> JobTold:
        """Hand samples over as a job. The same key and body give the same job, so a lost answer is asked for again."""
        headers = {"content-type": "application/json", "idempotency-key": idempotency_key}
        return self.api.call(JobResponse, "POST", JOBS, content=body, headers=headers)

    def read(self, job_id: str, wait_s: int = 0) -> JobTold:
        """Look at a job, if it hasn't ended after waiting up to `wait_s` for that."""
        return self.api.call(JobResponse, "GET", f"{JOBS}/{job_id}", params={"wait": wait_s} if wait_s else {})

    def whole(self, told: JobTold) -> JobTold:
        """Get the results that were too large for an answer; what has them already is given back."""
        if told.answer.results_url is None:
            return told
        answer = self.api.ask("GET", told.answer.results_url)
        if not answer.is_success:
            raise ApiError(
                f"The results can't be fetched (HTTP {answer.status_code}). Their address ran out, or is not yours to read."
            )
        return self.api.told(JobResponse, answer)

    def page(self, status: str | None, limit: int, cursor: str | None) -> JobsResponse:
        """List up to `limit` jobs, newest first, from `cursor` on, which the page before gave."""
        asked = {"limit": min(limit, PAGE), "status": status, "cursor": cursor}
        params = {name: value for name, value in asked.items() if value is not None}
        return self.api.call(JobsResponse, "GET", JOBS, params=params).answer

    def cancel(self, job_id: str) -> JobTold:
        """Cancel a job: asked once, since a second try would be told that the job has ended."""
        return self.api.call(JobResponse, "DELETE", f"{JOBS}/{job_id}", tries=1)
