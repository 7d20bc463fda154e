"""Answer with a job and the results of its samples, or with a link to results that are too large for an answer."""

from __future__ import annotations

from dataclasses import dataclass

from pigeonhole.api.answers import to_job_info, to_job_response, to_json
from pigeonhole.bulk.read import BulkJobReader
from pigeonhole.contract.jobs import JobInfo, JobResponse, JobStatus
from pigeonhole.jobs.assemble import JobResultsAssembler
from pigeonhole.jobs.job import Job
from pigeonhole.jobs.read import JobReader


@dataclass(frozen=True, kw_only=True)
class JobResponder:
    """Answers for every route that shows one job."""

    job_reader: JobReader
    results_assembler: JobResultsAssembler
    bulk_reader: BulkJobReader

    def describe(self, job: Job) -> JobInfo:
        """Shape a job without the results of its samples.

        Raises:
            Overloaded: The table is busy. Trying again may help.
        """
        return to_job_info(job, self.bulk_reader.read_progress(job) if job.bulk else None)

    def respond(self, job: Job, log_id: str) -> JobResponse:
        """Shape a job with the results of its samples, if it has ended and wasn't canceled.

        Results that are too large for an answer are assembled first if no worker has done so.

        Raises:
            Overloaded: The table or the bucket is busy. Trying again may help.
            InternalError: The object that holds a part's results is missing.
        """
        if job.bulk:
            results = self.bulk_reader.read_results(job)
            return JobResponse(log_id=log_id, job=self.describe(job), results=results)
        if job.status not in (JobStatus.SUCCEEDED, JobStatus.FAILED):
            return to_job_response(job, log_id)
        if not job.has_results_object:
            job_results = self.job_reader.read_results(job)
            response = to_job_response(job, log_id, job_results=job_results)
            if not self.results_assembler.is_too_large(to_json(response)):
                return response
            self.results_assembler.assemble(job, job_results)
        return to_job_response(job, log_id, results_url=self.job_reader.create_results_link(job))
