"""Assemble a job's large results: one document in the job bucket, which callers read by a link.

The worker that ends a job assembles its results, because the worker has the memory for them. If that worker crashed first,
the API assembles the results when the job is first read. Both write the same document, so both may do it at the same time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from pigeonhole.contract.jobs import JobStatus
from pigeonhole.jobs.job import Job
from pigeonhole.jobs.ports import JobStore
from pigeonhole.jobs.read import JobReader
from pigeonhole.jobs.results import JobResults
from pigeonhole.jobs.update import JobUpdater
from pigeonhole.object_keys import job_results_key
from pigeonhole.ports import ObjectStore

# A Lambda answer has at most 6 MB as JSON in JSON: quotes are escaped and, on Python 3.11, so is all that isn't ASCII.
MAX_ENVELOPED_BYTES = 5_900_000

RenderResults = Callable[[Job, JobResults], bytes]
"""Renders an ended job and the results of its samples as the JSON document that callers read (api/answers.py)."""


@dataclass(frozen=True, kw_only=True)
class JobResultsAssembler:
    """Stores results that are too large for an answer as one object, and marks their job.

    Every method raises Overloaded where trying again may help.

    Attributes:
        render: Renders the document that is stored.
        max_answer_bytes: The largest answer of the API that holds results.
    """

    store: JobStore
    objects: ObjectStore
    job_reader: JobReader
    render: RenderResults
    max_answer_bytes: int = 4_000_000
    sleep: Callable[[float], None] = time.sleep

    def is_too_large(self, answer: bytes) -> bool:
        """Tell whether a JSON document is too large for an answer of the API."""
        return len(answer) > self.max_answer_bytes or len(json.dumps(answer.decode())) > MAX_ENVELOPED_BYTES

    def assemble_if_large(self, job: Job) -> Job:
        """Assemble the results of an ended job if they are too large for an answer and aren't assembled yet.

        Returns:
            The job as it is stored then.

        Raises:
            InternalError: The object that holds a part's results is missing.
        """
        if job.status not in (JobStatus.SUCCEEDED, JobStatus.FAILED) or job.has_results_object:
            return job
        job_results = self.job_reader.read_results(job)
        document = self.render(job, job_results)
        return self._store(job, document) if self.is_too_large(document) else job

    def assemble(self, job: Job, job_results: JobResults) -> Job:
        """Store the results of an ended job as one object, however large they are.

        Returns:
            The job as it is stored then, marked with `has_results_object`.
        """
        return self._store(job, self.render(job, job_results))

    def _store(self, job: Job, document: bytes) -> Job:
        self.objects.put(job_results_key(job.tenant_id, job.id), document, "application/json")
        stored = JobUpdater(store=self.store, sleep=self.sleep).update(
            job.tenant_id, job.id, lambda latest: None if latest.has_results_object else latest.with_results_object()
        )
        return stored or job
