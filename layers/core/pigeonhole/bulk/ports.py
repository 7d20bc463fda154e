"""What bulk jobs need from the outside: manifests, results, the state of spans, and queues."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from pigeonhole.contract.bulk import BulkEstimate
from pigeonhole.contract.bulk_results import PartFile
from pigeonhole.contract.estimates import EstimateCommand
from pigeonhole.contract.messages import SpanMessage
from pigeonhole.jobs.job import Job


class ManifestSource(Protocol):
    """A manifest that can be read by ranges of bytes."""

    def read(self, start_byte: int = 0, stop_byte: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of a range in chunks of bounded size. None as its end is the end of the manifest."""
        ...


class ResultStore(Protocol):
    """The folder or prefix of a bulk job's results."""

    def put(self, name: str, data: bytes) -> None:
        """Store a file: whole, or not at all. A file of the same name is replaced."""
        ...


@dataclass(frozen=True)
class ManifestLocation:
    """Where a manifest is on S3.

    Attributes:
        bucket: Its bucket.
        object_key: Its key.
        version_id: The version of the object that is meant, the newest by default.
    """

    bucket: str
    object_key: str
    version_id: str | None = None


@dataclass(frozen=True)
class ManifestObject:
    """One content of a manifest.

    Attributes:
        location: Where it is.
        etag: Identifies its content. A manifest that was replaced is an error, because its spans would be others. None reads
            whatever is there: a staged part, which is never replaced.
        size: Its bytes, 0 if that isn't known.
    """

    location: ManifestLocation
    etag: str | None
    size: int = 0


@dataclass(frozen=True)
class ListedObject:
    """An object below a prefix.

    Attributes:
        object_key: Its key.
        size: Its bytes.
    """

    object_key: str
    size: int


class ManifestStore(Protocol):
    """Reads callers' manifests, and lists the objects below their prefixes."""

    def find(self, location: ManifestLocation) -> ManifestObject:
        """Find an object, in the version that the location names.

        Raises:
            UnfetchableUrl: The object is absent, or this service may not read it.
            Overloaded: A retry may help.
        """
        ...

    def open(self, manifest: ManifestObject) -> ManifestSource:
        """Return the source of a manifest.

        Its `read` raises UnfetchableUrl if the object is absent, was replaced or can't be read, and Overloaded if a retry may
        help.
        """
        ...

    def list_pages(self, location: ManifestLocation, after: str | None = None) -> Iterator[list[ListedObject]]:
        """Yield the objects below a prefix in the order of their keys, a page of at most 1,000 at a time.

        Args:
            location: The bucket and the prefix.
            after: Only objects whose keys come after this one.

        Raises:
            UnfetchableUrl: This service may not list the prefix.
            Overloaded: A retry may help.
        """
        ...


@dataclass(frozen=True)
class CompletedSpan:
    """A span whose parts are stored.

    Attributes:
        number: The number of the span.
        results: Its results part.
        errors: Its errors part, None if no line has an error.
        model_id: The model that classified its lines.
        model_revision: The revision of the model's weights.
        warnings: What the caller should know about labels and samples, the first ones only.
    """

    number: int
    results: PartFile
    errors: PartFile | None
    model_id: str
    model_revision: str
    warnings: tuple[str, ...] = ()

    @property
    def failed(self) -> int:
        """The number of lines that have an error."""
        return self.errors.rows if self.errors else 0


@dataclass(frozen=True)
class SpanCounts:
    """The spans of a job that are complete, and their lines.

    Attributes:
        spans: The number of spans.
        succeeded: How many lines have a result.
        failed: How many lines have an error.
        updated_at: When the last span was completed, None before the first.
    """

    spans: int = 0
    succeeded: int = 0
    failed: int = 0
    updated_at: float | None = None


class SpanStore(Protocol):
    """The complete spans of bulk jobs, and their counts. All reads are consistent.

    The counts are spread over several items, because ten thousand workers complete spans at the same time. Every method raises
    Overloaded if a retry may help.
    """

    def complete(self, job: Job, span: CompletedSpan, now: float) -> bool:
        """Record a complete span and count its lines, both or neither.

        Returns:
            False, and nothing is recorded, if the span was complete before.
        """
        ...

    def is_complete(self, job: Job, number: int) -> bool:
        """Return whether a span is complete."""
        ...

    def may_be_last(self, job: Job, number: int, spans: int) -> bool:
        """Return False if another span is open that is counted together with a complete one. Cheaper than `count`.

        Args:
            job: A planned job.
            number: The number of the complete span.
            spans: The number of spans that the job has.
        """
        ...

    def count(self, job: Job) -> SpanCounts:
        """Read the counts of a job."""
        ...

    def list_complete(self, job: Job) -> Iterator[CompletedSpan]:
        """Yield the complete spans of a job in the order of their numbers."""
        ...

    def add_attempt(self, job: Job, number: int) -> int:
        """Count an attempt at a span whose message was redelivered, and return how many there are now."""
        ...

    def count_attempts(self, job: Job, number: int) -> int:
        """Return the number of recorded attempts at a span."""
        ...


class PlannerClient(Protocol):
    """Calls functions/plan from functions/api."""

    def estimate(self, command: EstimateCommand) -> BulkEstimate:
        """Estimate what a bulk job would take.

        Raises:
            UnfetchableUrl: The input can't be read.
            InvalidRequest: The input is no manifest.
            TimedOut: The function gave no answer in time.
            Overloaded: A retry may help.
            InternalError: The function failed.
        """
        ...


class SpanQueue(Protocol):
    """The queue of functions/worker. It may deliver a message more than once, and in any order."""

    def send(self, messages: Sequence[SpanMessage]) -> None:
        """Queue messages.

        Raises:
            Overloaded: At least one message may not have been queued.
        """
        ...


@dataclass(frozen=True)
class GpuRun:
    """A set of tasks that GPU workers do for a bulk job. Each task is a few spans (gpu_tasks.py).

    Attributes:
        tenant_id: The tenant of the job.
        job_id: The bulk job.
        number: The number of the run: 0, and one more for each time that open spans are submitted again.
        tasks: The number of tasks, from 1 to 10,000.
    """

    tenant_id: str
    job_id: str
    number: int
    tasks: int


class JobRunner(Protocol):
    """Starts GPU workers: AWS Batch, or processes on this machine. Every method raises Overloaded if a retry may help."""

    def submit(self, run: GpuRun) -> str:
        """Start a run, and return its id. A run that is submitted twice is done twice, and its spans count once."""
        ...

    def is_active(self, run_id: str) -> bool:
        """Return whether a run hasn't ended. An unknown run has ended."""
        ...

    def cancel(self, run_id: str, reason: str) -> None:
        """Stop a run. One that has ended stays as it is."""
        ...
