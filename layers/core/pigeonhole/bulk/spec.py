"""What a bulk job classifies and how, as one object that planners and workers read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pigeonhole.bulk.manifest import ManifestSpan, SpanLimits
from pigeonhole.bulk.ports import ManifestLocation
from pigeonhole.contract.bulk import BulkOptions, OutputFormat
from pigeonhole.contract.limits import UNLIMITED
from pigeonhole.label_sets.records import JsonRecord, LabelRecord


@dataclass(frozen=True)
class BulkSpec:
    """What planners and workers of a bulk job need.

    Attributes:
        log_id: The id of the request that submitted the job.
        manifest: Where the manifest is.
        options: Labels and options.
        output: The format of the results.
        span_limits: Where a span ends. They are stored, because the same manifest must be divided in the same way again.
    """

    log_id: str
    manifest: ManifestLocation
    options: BulkOptions
    output: OutputFormat
    span_limits: SpanLimits


class ManifestRecord(JsonRecord):
    """The stored location of a manifest."""

    bucket: str
    key: str


class OptionsRecord(JsonRecord):
    """Stored labels and options."""

    labels: list[LabelRecord]
    multiple_labels: bool = False
    instruction: str | None = None
    scores: bool = False
    threshold: float | None = None
    top_k: int | None = None
    prompt_templates: list[str] | None = None


class SpanLimitsRecord(JsonRecord):
    """Stored limits of spans."""

    samples: int
    span_bytes: int
    line_bytes: int
    max_line_bytes: int


class BulkSpecRecord(JsonRecord):
    """The stored spec of a bulk job."""

    version: Literal[1] = 1
    kind: Literal["bulk_spec"] = "bulk_spec"
    log_id: str
    manifest: ManifestRecord
    options: OptionsRecord
    output: OutputFormat
    span_limits: SpanLimitsRecord


class SpanRecord(JsonRecord):
    """A stored span."""

    number: int
    start_byte: int
    stop_byte: int
    first_line: int
    lines: int
    samples: int

    def to_span(self) -> ManifestSpan:
        """Convert to a span."""
        return ManifestSpan(**self.model_dump())


class SegmentRecord(JsonRecord):
    """A stored segment of a plan: consecutive spans."""

    version: Literal[1] = 1
    spans: list[SpanRecord]


def encode_spec(spec: BulkSpec) -> bytes:
    """Encode a spec as the JSON that is stored."""
    record = BulkSpecRecord(
        log_id=spec.log_id,
        manifest=ManifestRecord(bucket=spec.manifest.bucket, key=spec.manifest.object_key),
        options=OptionsRecord.model_validate(spec.options, from_attributes=True),
        output=spec.output,
        span_limits=SpanLimitsRecord.model_validate(spec.span_limits, from_attributes=True),
    )
    return record.to_json().encode()


def decode_spec(data: bytes) -> BulkSpec:
    """Decode a stored spec.

    Raises:
        ValueError: The data isn't a spec that this version of the service can read.
    """
    record = BulkSpecRecord.from_json(data)
    return BulkSpec(
        log_id=record.log_id,
        manifest=ManifestLocation(record.manifest.bucket, record.manifest.key),
        # Without limits: the options were held to the deployment's limits when they were received.
        options=BulkOptions.model_validate(record.options.model_dump(exclude_none=True), context=UNLIMITED),
        output=record.output,
        span_limits=SpanLimits(**record.span_limits.model_dump()),
    )


def encode_segment(spans: Sequence[ManifestSpan]) -> bytes:
    """Encode consecutive spans as the JSON that is stored."""
    return SegmentRecord(spans=[SpanRecord.model_validate(span, from_attributes=True) for span in spans]).to_json().encode()


def decode_segment(data: bytes) -> list[ManifestSpan]:
    """Decode a stored segment.

    Raises:
        ValueError: The data isn't a segment that this version of the service can read.
    """
    return [span.to_span() for span in SegmentRecord.from_json(data).spans]
