"""Fakes of what bulk jobs need: manifests, complete spans, queues."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock

from pigeonhole.bulk.ports import CompletedSpan, ManifestLocation, ManifestObject, SpanCounts
from pigeonhole.contract.messages import PlanMessage, SpanMessage
from pigeonhole.errors import UnfetchableUrl
from pigeonhole.jobs.job import Job


@dataclass
class FakeManifestStore:
    """A ManifestStore in memory.

    Attributes:
        objects: Content and ETag by bucket and key.
        chunk_bytes: The size of the chunks that are read.
        before: Is called before each read of a range, and may raise.
    """

    objects: dict[tuple[str, str], tuple[bytes, str]] = field(default_factory=dict)
    chunk_bytes: int = 50
    before: Callable[[], None] = lambda: None

    def find(self, location: ManifestLocation) -> ManifestObject:
        if (location.bucket, location.object_key) not in self.objects:
            raise UnfetchableUrl("the manifest can't be read")
        return ManifestObject(location, self.objects[location.bucket, location.object_key][1])

    def open(self, manifest: ManifestObject) -> FakeManifest:
        return FakeManifest(self, manifest)


@dataclass(frozen=True)
class FakeManifest:
    """The source of one manifest."""

    store: FakeManifestStore
    manifest: ManifestObject

    def read(self, start_byte: int = 0, stop_byte: int | None = None) -> Iterator[bytes]:
        self.store.before()
        location = self.manifest.location
        data, etag = self.store.objects.get((location.bucket, location.object_key), (b"", ""))
        if etag != self.manifest.etag:
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

    def count(self, job: Job) -> SpanCounts:
        return self.counts.get(job.id, SpanCounts())

    def list_complete(self, job: Job) -> Iterator[CompletedSpan]:
        return iter([*self.complete_spans.get(job.id, {}).values()][::-1])

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
