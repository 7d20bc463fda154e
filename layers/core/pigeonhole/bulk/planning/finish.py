"""End a bulk job all of whose spans are complete: write its results manifest, then the job."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from pigeonhole.bulk.outputs import FIRST_FILES, MANIFEST_NAME, ResultsManifestBuilder, encode_manifest
from pigeonhole.bulk.ports import SpanStore
from pigeonhole.bulk.results import CONTENT_TYPES
from pigeonhole.bulk.spec import BulkSpec
from pigeonhole.contract.commands import ErrorReply
from pigeonhole.jobs.job import Job
from pigeonhole.jobs.ports import JobStore
from pigeonhole.jobs.update import JobUpdater
from pigeonhole.object_keys import bulk_first_files_key, bulk_results_prefix
from pigeonhole.ports import ObjectStore

MISCOUNTED = ErrorReply(
    code="internal_error", message="The results don't have one row for each line of the manifest. Send the job again."
)


@dataclass(frozen=True, kw_only=True)
class BulkFinisher:
    """Ends bulk jobs."""

    store: JobStore
    spans: SpanStore
    objects: ObjectStore
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def end_if_complete(self, job: Job, spec: BulkSpec) -> Job | None:
        """Write the results manifest and end a planned job, if all its spans are complete.

        Returns:
            The job as it is then.

        Raises:
            Overloaded: The table or the bucket is busy. Trying again may help.
        """
        counts = self.spans.count(job)
        if job.has_ended or job.bulk is None or counts.spans != job.bulk.spans:
            return job
        updater, now = JobUpdater(store=self.store, sleep=self.sleep), self.clock()
        if counts.succeeded + counts.failed != job.total:
            return updater.update(
                job.tenant_id, job.id, lambda latest: None if latest.has_ended else latest.failed_as_a_whole(now, MISCOUNTED)
            )
        self._write_results_manifest(job, spec)
        return updater.update(
            job.tenant_id,
            job.id,
            lambda latest: (
                None if latest.has_ended else latest.completed(now, succeeded=counts.succeeded, failed=counts.failed)
            ),
        )

    def _write_results_manifest(self, job: Job, spec: BulkSpec) -> None:
        builder = ResultsManifestBuilder(
            input=f"s3://{spec.input.location.bucket}/{spec.input.location.object_key}",
            options=spec.options,
        )
        for span in self.spans.list_complete(job):
            builder.add(span.results, span.errors, span.warnings, model=(span.model_id, span.model_revision))
        media_type = CONTENT_TYPES["json"]
        first_files = encode_manifest(builder.build(max_files=FIRST_FILES))
        self.objects.put(bulk_first_files_key(job.tenant_id, job.id), first_files, media_type)
        object_key = bulk_results_prefix(job.tenant_id, job.id) + MANIFEST_NAME
        self.objects.put(object_key, encode_manifest(builder.build()), media_type)
