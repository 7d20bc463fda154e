"""GPU runs on AWS Batch: one job per run, with a child for each task if there are several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from pigeonhole.bulk.gpu.run_name import RUN_VARIABLE, RunName
from pigeonhole.bulk.ports import GpuRun
from pigeonhole.errors import InternalError, Overloaded

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_batch.type_defs import SubmitJobRequestTypeDef

ENDED = {"SUCCEEDED", "FAILED"}
MAX_REASON_CHARS = 1_024  # of AWS Batch, which shows the reason in the job's status
# AWS Batch answers a fault of its own with ServerException, and a throttled call with one of the others.
_BUSY = {"ServerException", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"}


class BatchJobRunner:
    """The JobRunner of a deployment. The id of a run is that of its AWS Batch job."""

    def __init__(self, client: BatchClient, queue: str, definition: str) -> None:
        """Create the adapter for a job queue and a job definition."""
        self._client = client
        self._queue = queue
        self._definition = definition

    def submit(self, run: GpuRun) -> str:
        """Submit a job. See `JobRunner.submit`."""
        request: SubmitJobRequestTypeDef = {
            "jobName": f"{run.job_id}-{run.number}",
            "jobQueue": self._queue,
            "jobDefinition": self._definition,
            "containerOverrides": {"environment": [{"name": RUN_VARIABLE, "value": str(RunName.of(run))}]},
        }
        if run.tasks > 1:  # AWS Batch refuses an array of one
            request["arrayProperties"] = {"size": run.tasks}
        try:
            return self._client.submit_job(**request)["jobId"]
        except (ClientError, BotoCoreError) as error:
            raise _to_error(error) from error

    def is_active(self, run_id: str) -> bool:
        """Return whether the job hasn't ended. See `JobRunner.is_active`. AWS Batch forgets a job a week after its end."""
        try:
            jobs = self._client.describe_jobs(jobs=[run_id])["jobs"]
        except (ClientError, BotoCoreError) as error:
            raise _to_error(error) from error
        return any(job["status"] not in ENDED for job in jobs)

    def cancel(self, run_id: str, reason: str) -> None:
        """Terminate the job and its children. See `JobRunner.cancel`."""
        try:
            self._client.terminate_job(jobId=run_id, reason=reason[:MAX_REASON_CHARS])
        except self._client.exceptions.ClientException:
            return  # AWS Batch has forgotten the job
        except (ClientError, BotoCoreError) as error:
            raise _to_error(error) from error


def _to_error(error: ClientError | BotoCoreError) -> Overloaded | InternalError:
    """Return Overloaded if a retry may help. It doesn't help if AWS refuses the call, such as for a missing permission."""
    is_busy = not isinstance(error, ClientError) or error.response.get("Error", {}).get("Code") in _BUSY
    return Overloaded() if is_busy else InternalError()
