"""Segments of a plan: consecutive spans, as one object on S3.

The first segment that is stored with a number counts. Two planners may work at the same time, and their segments may differ:
one of them had less time, or an object came below a prefix meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

from pigeonhole.bulk.manifest import ManifestSpan
from pigeonhole.contract.messages import SpanMessage, StagedManifest
from pigeonhole.errors import InternalError
from pigeonhole.jobs.job import Job
from pigeonhole.label_sets.records import JsonRecord
from pigeonhole.object_keys import bulk_segment_key
from pigeonhole.ports import ObjectStore


@dataclass(frozen=True)
class Segment:
    """Consecutive spans of a plan, of which there is at least one.

    Attributes:
        spans: The spans.
        samples: The number of samples in all segments up to this one.
        staged: The staged part of the manifest that has the spans. None if they are ranges of the caller's object.
        after: The key of the last object in the staged listing of a prefix.
    """

    spans: list[ManifestSpan]
    samples: int
    staged: StagedManifest | None = None
    after: str | None = None

    @property
    def last(self) -> ManifestSpan:
        """The last span."""
        return self.spans[-1]

    def to_messages(self, job: Job) -> list[SpanMessage]:
        """Make the message of each span."""
        etag = job.bulk.etag if job.bulk and not self.staged else None
        return [
            SpanMessage(tenant_id=job.tenant_id, job_id=job.id, etag=etag, staged=self.staged, **asdict(span))
            for span in self.spans
        ]


class SpanRecord(JsonRecord):
    """A stored span."""

    number: int
    start_byte: int
    stop_byte: int
    first_line: int
    lines: int
    samples: int


class StagedRecord(JsonRecord):
    """A stored reference to a staged part."""

    start_byte: int
    sha256: str


class SegmentRecord(JsonRecord):
    """A stored segment."""

    version: Literal[1] = 1
    spans: list[SpanRecord]
    samples: int
    staged: StagedRecord | None = None
    after: str | None = None

    @classmethod
    def from_segment(cls, segment: Segment) -> SegmentRecord:
        """Convert a segment."""
        return cls(
            spans=[SpanRecord(**asdict(span)) for span in segment.spans],
            samples=segment.samples,
            staged=StagedRecord(start_byte=segment.staged.start_byte, sha256=segment.staged.sha256) if segment.staged else None,
            after=segment.after,
        )

    def to_segment(self) -> Segment:
        """Convert to a segment."""
        return Segment(
            spans=[ManifestSpan(**span.model_dump()) for span in self.spans],
            samples=self.samples,
            staged=StagedManifest(**self.staged.model_dump()) if self.staged else None,
            after=self.after,
        )


@dataclass(frozen=True, kw_only=True)
class SegmentStore:
    """Stores the segments of plans.

    Attributes:
        objects: The job bucket.
    """

    objects: ObjectStore

    def write_first(self, job: Job, number: int, segment: Segment) -> Segment:
        """Store a segment unless there is one of this number, and return the segment that is stored then.

        Raises:
            Overloaded: The bucket is busy. Trying again may help.
        """
        data = SegmentRecord.from_segment(segment).to_json().encode()
        key = bulk_segment_key(job.tenant_id, job.id, number)
        return segment if self.objects.create(key, data, "application/json") else self.read(job, number)

    def read(self, job: Job, number: int) -> Segment:
        """Read a segment.

        Raises:
            InternalError: The segment was deleted.
            Overloaded: The bucket is busy. Trying again may help.
        """
        data = self.objects.get(bulk_segment_key(job.tenant_id, job.id, number))
        if data is None:
            raise InternalError() from LookupError("a segment of a plan was deleted before its job expired")
        return SegmentRecord.from_json(data).to_segment()

    def read_messages(self, job: Job) -> Iterator[SpanMessage]:
        """Yield the message of each span of the recorded segments, in order."""
        for number in range(job.bulk.segments if job.bulk else 0):
            yield from self.read(job, number).to_messages(job)
