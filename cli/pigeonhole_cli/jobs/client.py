"""Client of the API's jobs."""

from __future__ import annotations

from dataclasses import dataclass

from pigeonhole.contract.bulk import BulkEstimateResponse
from pigeonhole.contract.jobs import JOBS, JobResponse, JobsResponse
from pigeonhole_cli.http_client import PAGE_SIZE, ApiClient, ApiError, ApiResponse

JobAnswer = ApiResponse[JobResponse]


@dataclass(frozen=True)
class JobsClient:
    """The requests about jobs. Every method raises ApiError.

    Attributes:
        client: The API.
    """

    client: ApiClient

    def submit(self, body: bytes, idempotency_key: str) -> JobAnswer:
        """Submit samples as a job. The same key and body return the same job, so the request is safe to retry."""
        headers = {"content-type": "application/json", "idempotency-key": idempotency_key}
        return self.client.call(JobResponse, "POST", JOBS, content=body, headers=headers)

    def estimate(self, body: bytes) -> ApiResponse[BulkEstimateResponse]:
        """Return what a bulk job would take. The body has `dry_run`, so nothing is started."""
        headers = {"content-type": "application/json"}
        return self.client.call(BulkEstimateResponse, "POST", JOBS, content=body, headers=headers)

    def get(self, job_id: str, wait_s: int = 0) -> JobAnswer:
        """Return a job. The API waits up to `wait_s` for the job's end."""
        return self.client.call(JobResponse, "GET", f"{JOBS}/{job_id}", params={"wait": wait_s} if wait_s else {})

    def fetch_results(self, answer: JobAnswer) -> JobAnswer:
        """Fetch a job's results from S3 if they were too large for the answer."""
        if answer.body.results_url is None:
            return answer
        response = self.client.request("GET", answer.body.results_url)
        if not response.is_success:
            raise ApiError(
                f"The results can't be fetched (HTTP {response.status_code}). "
                "Their address has expired or you may not read it. Run the command again."
            )
        return self.client.parse(JobResponse, response)

    def list_page(self, status: str | None, limit: int, cursor: str | None) -> JobsResponse:
        """List up to `limit` jobs, newest first. `cursor` is that of the previous page."""
        query = {"limit": min(limit, PAGE_SIZE), "status": status, "cursor": cursor}
        params = {name: value for name, value in query.items() if value is not None}
        return self.client.call(JobsResponse, "GET", JOBS, params=params).body

    def cancel(self, job_id: str) -> JobAnswer:
        """Cancel a job. The request is not retried: if the first attempt succeeded, the second one would be refused."""
        return self.client.call(JobResponse, "DELETE", f"{JOBS}/{job_id}", attempts=1)
