"""Publish the results of uploads: in the table, as a JSON object in the bucket, as tags of the file, and as an event.

A publisher that crashes may repeat every step, so a result may be published twice but is never lost:

    table  ->  JSON object  ->  tags  ->  event

The table comes first: it accepts only the result of the latest upload of a key, and the publisher drops any other result. The
JSON object replaces only the one that was there before the publisher wrote to the table. So the result of an older upload never
replaces that of a newer one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pigeonhole.errors import Overloaded
from pigeonhole.jobs.job import Job
from pigeonhole.jobs.read import JobReader
from pigeonhole.jobs.records import decode_job_input
from pigeonhole.object_keys import job_input_key, upload_result_key
from pigeonhole.ports import EventBus, ObjectStore
from pigeonhole.uploads.ports import UploadResultStore, UploadTags
from pigeonhole.uploads.public_result import to_event, to_json
from pigeonhole.uploads.split_results import JobResultsSplitter
from pigeonhole.uploads.upload_result import DetailedUploadResult
from pigeonhole.uploads.upload_tags import to_tags

MAX_THREADS = 16  # one for each result that is published at the same time
ATTEMPTS = 5  # to put a JSON object while other publishers replace it


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
        objects: The upload bucket, for JSON objects.
        tags: The tags of uploads. None if uploads aren't to be tagged.
        bus: Takes the events.
        bucket: The name of the upload bucket.
    """

    results: UploadResultStore
    objects: ObjectStore
    tags: UploadTags | None
    bus: EventBus
    bucket: str

    def publish(self, results: Sequence[DetailedUploadResult]) -> PublishSummary:
        """Publish results of different uploads.

        Raises:
            Overloaded: A retry may help. Some results may be published already.
        """
        if not results:
            return PublishSummary()
        with ThreadPoolExecutor(min(MAX_THREADS, len(results)), thread_name_prefix="publish") as pool:
            tagged = list(pool.map(self._store, results))
        published = [detailed.result for detailed, is_tagged in zip(results, tagged, strict=True) if is_tagged is not None]
        self.bus.put([to_event(result, self.bucket) for result in published])
        return PublishSummary(
            published=len(published),
            failed=sum(result.has_failed for result in published),
            overtaken=tagged.count(None),
            untagged=tagged.count(False),
        )

    def _store(self, detailed: DetailedUploadResult) -> bool | None:
        """Store a result and its JSON object, and tag its file.

        Returns:
            Whether the file could be tagged. None if another result prevails.
        """
        result = detailed.result
        json_key = upload_result_key(result.object_key)
        etag_before = self.objects.etag(json_key)
        if not self.results.save(result) or not self._put_json(detailed, json_key, etag_before):
            return None
        tags = to_tags(result)
        return self.tags.add(result.object_key, result.version_id, tags) if self.tags and tags else True

    def _put_json(self, detailed: DetailedUploadResult, json_key: str, etag: str | None) -> bool:
        """Put a result's JSON object in place of the object with that ETag.

        Returns:
            False if the table has another result by now, whose JSON object must stay.
        """
        data, result = to_json(detailed), detailed.result
        for _ in range(ATTEMPTS):
            if self.objects.replace(json_key, data, "application/json", etag):
                return True
            stored = self.results.get(result.tenant_id, result.object_key)
            if stored is None or (stored.sequencer, stored.job_id) != (result.sequencer, result.job_id):
                return False
            etag = self.objects.etag(json_key)
        raise Overloaded()


@dataclass(frozen=True, kw_only=True)
class JobResultsPublisher:
    """Publishes the results of a job's uploads.

    Attributes:
        job_reader: Reads the job's results.
        objects: The job bucket, for the job's input.
        publisher: Publishes the results.
        clock: Returns seconds since 1970.
    """

    job_reader: JobReader
    objects: ObjectStore
    publisher: UploadResultsPublisher
    clock: Callable[[], float] = time.time

    def publish(self, job: Job) -> PublishSummary:
        """Publish the results of an ended job. A job whose input has expired has none.

        Raises:
            Overloaded: A retry may help.
        """
        data = self.objects.get(job_input_key(job.tenant_id, job.id))
        if data is None:
            return PublishSummary()
        uploads, job_results = decode_job_input(data).uploads, self.job_reader.read_results(job)
        splitter = JobResultsSplitter(job=job, results=job_results, now=self.clock(), bucket=self.publisher.bucket)
        return self.publisher.publish(list(splitter.split(uploads)))
