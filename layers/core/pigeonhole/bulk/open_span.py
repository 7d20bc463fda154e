"""What a message of a span stands for: its job, what the job classifies, and the pieces that are stored."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from pigeonhole.bulk.manifest import ManifestSpan, read_lines
from pigeonhole.bulk.pieces import PieceStore
from pigeonhole.bulk.ports import ManifestLocation, ManifestObject, ManifestSource, ManifestStore, SpanStore
from pigeonhole.bulk.runner import SpanResults
from pigeonhole.bulk.spec import BulkSpec, decode_spec
from pigeonhole.contract.bulk_results import ErrorRow
from pigeonhole.contract.commands import ErrorReply
from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.messages import SpanMessage
from pigeonhole.errors import SampleError
from pigeonhole.jobs.job import Job
from pigeonhole.jobs.ports import JobStore
from pigeonhole.jobs.update import JobUpdater
from pigeonhole.object_keys import bulk_spec_key, bulk_staged_key
from pigeonhole.ports import ObjectStore

MAX_HELD_BYTES = 64_000_000  # of a span, whose samples reach 32 MB with its last line
HELD_CHUNK_BYTES = 1_000_000


class ManifestGone(Exception):
    """The manifest of a job can't be read any more, so its job fails as a whole."""

    def __init__(self, cause: SampleError) -> None:
        """Create the error with its cause."""
        super().__init__()
        self.cause = cause


@dataclass(frozen=True)
class PinnedSource:
    """A ManifestSource whose errors can't be taken for those of an image."""

    source: ManifestSource

    def read(self, start_byte: int = 0, stop_byte: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of a range.

        Raises:
            ManifestGone: The manifest can't be read.
            Overloaded: A retry may help.
        """
        try:
            yield from self.source.read(start_byte, stop_byte)
        except SampleError as error:
            raise ManifestGone(error) from None


@dataclass(frozen=True)
class StagedSource:
    """A staged part of a manifest as a ManifestSource, whose offsets are those of the whole manifest.

    Attributes:
        source: The staged part.
        start_byte: The offset of its first byte in the manifest.
    """

    source: ManifestSource
    start_byte: int

    def read(self, start_byte: int = 0, stop_byte: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of a range of the part. See `ManifestSource.read`."""
        return self.source.read(start_byte - self.start_byte, None if stop_byte is None else stop_byte - self.start_byte)


@dataclass(frozen=True)
class HeldSource:
    """A range of a manifest that was read into memory, as a ManifestSource.

    Attributes:
        data: The bytes of the range.
        start_byte: The offset of its first byte in the manifest.
    """

    data: bytes
    start_byte: int

    def read(self, start_byte: int = 0, stop_byte: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of a range within this one. See `ManifestSource.read`."""
        stop = len(self.data) if stop_byte is None else stop_byte - self.start_byte
        for first in range(start_byte - self.start_byte, stop, HELD_CHUNK_BYTES):
            yield self.data[first : min(stop, first + HELD_CHUNK_BYTES)]


@dataclass(frozen=True)
class OpenSpan:
    """A span that isn't complete.

    Attributes:
        job: Its job.
        spec: What the job classifies, and how.
        span: The lines.
        source: The manifest.
        pieces: The stored pieces of the job's spans.
        limits: The limits of a sample.
    """

    job: Job
    spec: BulkSpec
    span: ManifestSpan
    source: ManifestSource
    pieces: PieceStore
    limits: RequestLimits

    def hold(self, rest: ManifestSpan) -> OpenSpan:
        """Read the rest of the span into memory, unless it is too large.

        A worker reads each piece of it by itself. S3 gives an object 5,500 times a second, and a large job has thousands of
        workers that read one manifest.

        Raises:
            ManifestGone: The manifest can't be read.
            Overloaded: A retry may help.
        """
        if rest.stop_byte - rest.start_byte > MAX_HELD_BYTES:
            return self
        data = b"".join(self.source.read(rest.start_byte, rest.stop_byte))
        return replace(self, source=HeldSource(data, rest.start_byte))

    def fail_lines(self, rest: ManifestSpan, error: ErrorReply) -> SpanResults:
        """Give each line of the rest of the span the same error.

        Raises:
            ManifestGone: The manifest can't be read.
        """
        chunks = self.source.read(rest.start_byte, rest.stop_byte)
        errors = [
            ErrorRow(line=line.number, custom_id=line.custom_id, code=error.code, message=error.message)
            for line in read_lines(chunks, rest.first_line, self.spec.input.span_limits, self.limits, self.spec.input.parse)
        ]
        return SpanResults(rest, errors=errors)


@dataclass(frozen=True, kw_only=True)
class SpanOpener:
    """Opens the spans that messages name.

    Attributes:
        objects: The job bucket.
        bucket: Its name.
        limits: The limits of a sample.
    """

    store: JobStore
    spans: SpanStore
    objects: ObjectStore
    bucket: str
    manifests: ManifestStore
    limits: RequestLimits
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def open(self, message: SpanMessage) -> OpenSpan | None:
        """Return the span of a message, None if its job isn't being processed any more.

        Raises:
            Overloaded: The table or the bucket is busy. Trying again may help.
        """
        job = self.store.get(message.tenant_id, message.job_id)
        if job is None or job.has_ended or job.bulk is None or job.status is JobStatus.QUEUED:
            return None
        data = self.objects.get(bulk_spec_key(job.tenant_id, job.id))
        try:
            spec = decode_spec(data) if data is not None else None
        except ValueError:
            spec = None
        if spec is None:
            return None  # the planner ends such a job
        return OpenSpan(
            job=job,
            spec=spec,
            span=ManifestSpan(
                message.number, message.start_byte, message.stop_byte, message.first_line, message.lines, message.samples
            ),
            source=PinnedSource(self._open_manifest(message, spec)),
            pieces=PieceStore(objects=self.objects, tenant_id=job.tenant_id, job_id=job.id),
            limits=self.limits,
        )

    def _open_manifest(self, message: SpanMessage, spec: BulkSpec) -> ManifestSource:
        if message.staged is None:
            return self.manifests.open(ManifestObject(spec.input.location, message.etag))
        location = ManifestLocation(self.bucket, bulk_staged_key(message.tenant_id, message.job_id, message.staged))
        return StagedSource(self.manifests.open(ManifestObject(location, None)), message.staged.start_byte)

    def fail_job(self, message: SpanMessage, gone: ManifestGone) -> None:
        """End the job of a message, because its manifest can't be read any more.

        Raises:
            Overloaded: The table is busy. Trying again may help.
        """
        error = ErrorReply.from_error(gone.cause)
        JobUpdater(store=self.store, sleep=self.sleep).update(
            message.tenant_id,
            message.job_id,
            lambda latest: None if latest.has_ended else latest.failed_as_a_whole(self.clock(), error),
        )
