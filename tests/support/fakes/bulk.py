"""Fakes of what bulk jobs need: manifests, complete spans, queues."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock

from pigeonhole.bulk.ports import CompletedSpan, GpuRun, ListedObject, ManifestLocation, ManifestObject, SpanCounts
from pigeonhole.contract.bulk import BulkEstimate
from pigeonhole.contract.estimates import EstimateCommand
from pigeonhole.contract.messages import FailedSpanMessage, PlanMessage, SpanMessage
from pigeonhole.errors import PigeonholeError, UnfetchableUrl
from pigeonhole.jobs.job import Job

ESTIMATE = BulkEstimate.model_validate(
    {
        "samples": 20,
        "texts": 20,
        "images": 0,
        "spans": 2,
        "is_exact": True,
        "compute": "lambda",
        "lambda": {"usd": 0.1, "seconds": 3},
    }
)

SHARDS = 2  # in which spans are counted


@dataclass
class FakeManifestStore:
    """A ManifestStore in memory.

    Attributes:
        objects: Content and ETag of the newest version, by bucket and key.
        versions: Content and ETag of a version, by bucket, key and version id.
        chunk_bytes: The size of the chunks that are read.
        page_objects: The most objects of a page.
        before: Is called before each read of a range, and may raise.
        staged: Returns the content of an object of the job bucket, given bucket and key. None for any other object.
    """

    objects: dict[tuple[str, str], tuple[bytes, str]] = field(default_factory=dict)
    versions: dict[tuple[str, str, str], tuple[bytes, str]] = field(default_factory=dict)
    chunk_bytes: int = 50
    page_objects: int = 3
    before: Callable[[], None] = lambda: None
    staged: Callable[[str, str], bytes | None] = lambda bucket, key: None

    def find(self, location: ManifestLocation) -> ManifestObject:
        if (stored := self.get(location)) is None:
            raise UnfetchableUrl("the manifest can't be read")
        data, etag = stored
        return ManifestObject(location, etag, len(data))

    def open(self, manifest: ManifestObject) -> FakeManifest:
        return FakeManifest(self, manifest)

    def get(self, location: ManifestLocation) -> tuple[bytes, str] | None:
        """Return the content and the ETag of an object."""
        if location.version_id:
            return self.versions.get((location.bucket, location.object_key, location.version_id))
        return self.objects.get((location.bucket, location.object_key))

    def list_pages(self, location: ManifestLocation, after: str | None = None) -> Iterator[list[ListedObject]]:
        found = sorted((key, len(data)) for (bucket, key), (data, _) in self.objects.items() if bucket == location.bucket)
        listed = [
            ListedObject(key, size)
            for key, size in found
            if key.startswith(location.object_key) and (after is None or key > after)
        ]
        for start in range(0, len(listed), self.page_objects):
            self.before()
            yield listed[start : start + self.page_objects]


@dataclass(frozen=True)
class FakeManifest:
    """The source of one manifest."""

    store: FakeManifestStore
    manifest: ManifestObject

    def read(self, start_byte: int = 0, stop_byte: int | None = None) -> Iterator[bytes]:
        self.store.before()
        location = self.manifest.location
        data, etag = self.store.get(location) or (b"", "")
        staged = self.store.staged(location.bucket, location.object_key)
        data = data if staged is None else staged
        if self.manifest.etag is not None and etag != self.manifest.etag:
            raise UnfetchableUrl("the manifest was replaced or deleted")
        data = data[start_byte:stop_byte]
        return (data[k : k + self.store.chunk_bytes] for k in range(0, len(data), self.store.chunk_bytes))


@dataclass
class FakeSpanStore:
    """A SpanStore in memory.

    Attributes:
        complete_spans: The complete spans by job and number.
        counts: The counts by job.
        attempts: Recorded attempts by job and span.
    """

    complete_spans: dict[str, dict[int, CompletedSpan]] = field(default_factory=dict)
    counts: dict[str, SpanCounts] = field(default_factory=dict)
    attempts: dict[tuple[str, int], int] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def complete(self, job: Job, span: CompletedSpan, now: float) -> bool:
        with self._lock:
            spans = self.complete_spans.setdefault(job.id, {})
            if span.number in spans:
                return False
            spans[span.number] = span
            before = self.counts.get(job.id, SpanCounts())
            self.counts[job.id] = SpanCounts(
                before.spans + 1, before.succeeded + span.results.rows, before.failed + span.failed, now
            )
            return True

    def is_complete(self, job: Job, number: int) -> bool:
        return number in self.complete_spans.get(job.id, {})

    def may_be_last(self, job: Job, number: int, spans: int) -> bool:
        complete = self.complete_spans.get(job.id, {})
        return all(other in complete for other in range(number % SHARDS, spans, SHARDS))

    def count(self, job: Job) -> SpanCounts:
        return self.counts.get(job.id, SpanCounts())

    def list_complete(self, job: Job) -> Iterator[CompletedSpan]:
        return iter([span for _, span in sorted(self.complete_spans.get(job.id, {}).items())])

    def add_attempt(self, job: Job, number: int) -> int:
        with self._lock:
            self.attempts[job.id, number] = self.attempts.get((job.id, number), 0) + 1
            return self.attempts[job.id, number]

    def count_attempts(self, job: Job, number: int) -> int:
        return self.attempts.get((job.id, number), 0)


@dataclass
class FakePlanQueue:
    """A PlanQueue in memory.

    Attributes:
        sent: All messages.
        delays: Receipt and seconds of each message that is to be redelivered earlier or later.
    """

    sent: list[PlanMessage] = field(default_factory=list)
    delays: list[tuple[str, int]] = field(default_factory=list)

    def send(self, messages: Sequence[PlanMessage]) -> None:
        self.sent += messages

    def retry_in(self, receipt: str, seconds: int) -> None:
        self.delays.append((receipt, seconds))


@dataclass
class FakeFailedSpanQueue:
    """A FailedSpanQueue in memory.

    Attributes:
        sent: All messages.
    """

    sent: list[FailedSpanMessage] = field(default_factory=list)

    def send(self, messages: Sequence[FailedSpanMessage]) -> None:
        self.sent += messages


@dataclass
class FakeSpanQueue:
    """A SpanQueue in memory.

    Attributes:
        sent: All messages.
        before: Is called before each message, and may raise between two of them.
    """

    sent: list[SpanMessage] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    def send(self, messages: Sequence[SpanMessage]) -> None:
        for message in messages:
            self.before()
            self.sent.append(message)


@dataclass
class FakePlannerClient:
    """A PlannerClient that has one answer.

    Attributes:
        answer: The answer, or the error that is raised.
        commands: All commands.
    """

    answer: BulkEstimate | PigeonholeError = ESTIMATE
    commands: list[EstimateCommand] = field(default_factory=list)

    def estimate(self, command: EstimateCommand) -> BulkEstimate:
        self.commands.append(command)
        if isinstance(self.answer, PigeonholeError):
            raise self.answer
        return self.answer


@dataclass
class FakeJobRunner:
    """A JobRunner in memory.

    Attributes:
        runs: The submitted runs by their id.
        ended: The ids of runs that have ended.
        canceled: Why runs were stopped, by their id.
    """

    runs: dict[str, GpuRun] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    canceled: dict[str, str] = field(default_factory=dict)

    def submit(self, run: GpuRun) -> str:
        run_id = f"run-{len(self.runs)}"
        self.runs[run_id] = run
        return run_id

    def is_active(self, run_id: str) -> bool:
        return run_id in self.runs and run_id not in self.ended

    def cancel(self, run_id: str, reason: str) -> None:
        if self.is_active(run_id):
            self.canceled[run_id] = reason
            self.ended.add(run_id)
