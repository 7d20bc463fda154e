"""Publish the results of uploads: in an object for each job, in the table, as tags of the files, and as events.

A publisher that crashes may repeat every step, so a result may be published twice but is never lost:

    results object of the job  ->  table  ->  tags  ->  events

The results object comes first, so that it exists when the table names it. Only this job's publishers write it, always with the
same results. The table accepts only the result of the latest upload of a key, and the publisher drops any other result. So the
result of an older upload never replaces that of a newer one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from pigeonhole.bulk.spec import decode_spec
from pigeonhole.contract.uploads import UploadedFile
from pigeonhole.jobs.job import Job
from pigeonhole.jobs.read import JobReader
from pigeonhole.jobs.records import decode_job_input
from pigeonhole.object_keys import bulk_spec_key, job_input_key
from pigeonhole.ports import EventBus, ObjectStore
from pigeonhole.uploads.ports import UploadResultStore, UploadTags
from pigeonhole.uploads.public_result import to_events, to_json_lines
from pigeonhole.uploads.split_results import JobResultsSplitter, to_bulk_result
from pigeonhole.uploads.upload_result import UploadResult
from pigeonhole.uploads.upload_tags import to_tags

MAX_THREADS = 16  # one for each result that is published at the same time


@dataclass(frozen=True)
class PublishSummary:
    """How many results were published.

    Attributes:
        published: All published results.
        failed: Those of them that say why there is no prediction.
        overtaken: Dropped results: the table has that of a later upload, or of another job for the same upload.
        untagged: Published results whose files could not be tagged.
    """

    published: int = 0
    failed: int = 0
    overtaken: int = 0
    untagged: int = 0


@dataclass(frozen=True, kw_only=True)
class UploadResultsPublisher:
    """Publishes the results of uploads.

    Attributes:
        results: Where results are stored.
        tags: The tags of uploads. None if uploads aren't to be tagged.
        bus: Takes the events.
        bucket: The name of the upload bucket.
    """

    results: UploadResultStore
    tags: UploadTags | None
    bus: EventBus
    bucket: str

    def publish(self, results: Sequence[UploadResult]) -> PublishSummary:
        """Publish results of different uploads: of one job, or of uploads of one label set that no job can classify.

        Raises:
            Overloaded: A retry may help. Some results may be published already.
        """
        if not results:
            return PublishSummary()
        with ThreadPoolExecutor(min(MAX_THREADS, len(results)), thread_name_prefix="publish") as pool:
            tagged = list(pool.map(self._store, results))
        published = [result for result, is_tagged in zip(results, tagged, strict=True) if is_tagged is not None]
        self.bus.put(list(to_events(published, self.bucket)))
        return PublishSummary(
            published=len(published),
            failed=sum(result.has_failed for result in published),
            overtaken=tagged.count(None),
            untagged=tagged.count(False),
        )

    def _store(self, result: UploadResult) -> bool | None:
        """Store a result, and tag its file.

        Returns:
            Whether the file could be tagged. None if another result prevails.
        """
        if not self.results.save(result):
            return None
        tags = to_tags(result)
        return self.tags.add(result.object_key, result.version_id, tags) if self.tags and tags else True


@dataclass(frozen=True, kw_only=True)
class JobResultsPublisher:
    """Publishes the results of a job's uploads.

    Attributes:
        job_reader: Reads the job's results.
        objects: The job bucket, for the job's input.
        job_bucket: Its name.
        uploaded: The upload bucket, for the results object of the job.
        publisher: Publishes the results.
        clock: Returns seconds since 1970.
    """

    job_reader: JobReader
    objects: ObjectStore
    job_bucket: str
    uploaded: ObjectStore
    publisher: UploadResultsPublisher
    clock: Callable[[], float] = time.time

    def publish(self, job: Job) -> PublishSummary:
        """Publish the results of an ended job. A job whose input has expired has none.

        Raises:
            Overloaded: A retry may help.
        """
        if job.bulk:
            return self._publish_bulk(job)
        data = self.objects.get(job_input_key(job.tenant_id, job.id))
        if data is None:
            return PublishSummary()
        uploads, job_results = decode_job_input(data).uploads, self.job_reader.read_results(job)
        splitter = JobResultsSplitter(job=job, results=job_results, now=self.clock(), bucket=self.publisher.bucket)
        detailed = list(splitter.split(uploads))
        self.uploaded.put(splitter.results_key, to_json_lines(detailed), "application/x-ndjson")
        return self.publisher.publish([result.result for result in detailed])

    def _publish_bulk(self, job: Job) -> PublishSummary:
        """Publish the result of the file whose lines a bulk job classified. The results of the lines are those of the job."""
        upload = self._read_upload(job)
        if upload is None:
            return PublishSummary()
        return self.publisher.publish([to_bulk_result(job, upload, now=self.clock(), job_bucket=self.job_bucket)])

    def _read_upload(self, job: Job) -> UploadedFile | None:
        """Read the file of a bulk job. None if what the job classifies has expired or is of another version of the service."""
        data = self.objects.get(bulk_spec_key(job.tenant_id, job.id))
        with suppress(ValueError):
            return decode_spec(data).upload if data is not None else None
        return None
