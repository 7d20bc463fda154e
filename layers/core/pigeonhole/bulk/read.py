"""Read how far a bulk job is, and where its results are."""

from __future__ import annotations

from dataclasses import dataclass

from pigeonhole.bulk.outputs import MANIFEST_NAME
from pigeonhole.bulk.ports import SpanStore
from pigeonhole.contract.bulk_results import PartFile, ResultsManifest
from pigeonhole.contract.jobs import BulkFile, BulkResults, JobStatus, Progress
from pigeonhole.jobs.job import Job
from pigeonhole.object_keys import bulk_first_files_key, bulk_results_prefix
from pigeonhole.ports import ObjectStore

LINK_S = 3_600


@dataclass(frozen=True, kw_only=True)
class BulkJobReader:
    """Reads bulk jobs. Every method raises Overloaded where trying again may help.

    Attributes:
        spans: The state of spans.
        objects: The job bucket.
        bucket: Its name.
    """

    spans: SpanStore
    objects: ObjectStore
    bucket: str

    def read_progress(self, job: Job) -> Progress:
        """Read how many lines of a bulk job have a result or an error. `total` is 0 until the manifest is planned."""
        if job.has_ended:
            return Progress(total=job.total, succeeded=job.succeeded, failed=job.failed)
        counts = self.spans.count(job)
        return Progress(total=job.total, succeeded=counts.succeeded, failed=counts.failed)

    def read_results(self, job: Job) -> BulkResults | None:
        """Return where the results of a bulk job are, None unless all its lines have a result or an error."""
        if job.status not in (JobStatus.SUCCEEDED, JobStatus.FAILED) or job.error is not None:
            return None
        prefix = bulk_results_prefix(job.tenant_id, job.id)
        data = self.objects.get(bulk_first_files_key(job.tenant_id, job.id))
        if data is None:  # S3 has deleted the results before the table has deleted the job
            return None
        first_files = ResultsManifest.model_validate_json(data)
        return BulkResults(
            prefix=f"s3://{self.bucket}/{prefix}",
            manifest_url=self.objects.link(prefix + MANIFEST_NAME, LINK_S),
            parts=[self._to_file(prefix, part) for part in first_files.results],
            errors=[self._to_file(prefix, part) for part in first_files.errors],
        )

    def _to_file(self, prefix: str, part: PartFile) -> BulkFile:
        return BulkFile(name=part.name, rows=part.rows, url=self.objects.link(prefix + part.name, LINK_S))
