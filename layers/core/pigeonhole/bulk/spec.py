"""What a bulk job classifies and how, as one object that planners and workers read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pigeonhole.bulk.inputs.kinds import InputKind
from pigeonhole.bulk.inputs.listing import ListingParser
from pigeonhole.bulk.manifest import LineParser, SpanLimits
from pigeonhole.bulk.ports import ManifestLocation
from pigeonhole.contract.bulk import AnyBulkOptions, BulkOptions, BulkQuestions, Compute, OutputFormat, parse_manifest_line
from pigeonhole.contract.limits import UNLIMITED
from pigeonhole.contract.uploads import UploadedFile
from pigeonhole.jobs.records import QuestionRecord, UploadedFileRecord
from pigeonhole.label_sets.records import JsonRecord


@dataclass(frozen=True)
class BulkInput:
    """What a bulk job classifies.

    Attributes:
        location: Where the manifest is. For a prefix, its bucket and the prefix.
        kind: How it is read.
        span_limits: Where a span ends. They are stored, because the same manifest must be divided in the same way again.
    """

    location: ManifestLocation
    kind: InputKind
    span_limits: SpanLimits

    @property
    def parse(self) -> LineParser:
        """What parses a line of the manifest."""
        return ListingParser(self.location) if self.kind is InputKind.PREFIX else parse_manifest_line


@dataclass(frozen=True, kw_only=True)
class BulkSpec:
    """What planners and workers of a bulk job need.

    Attributes:
        log_id: The id of the request that submitted the job.
        input: What is classified.
        options: Labels and options, or questions.
        output: The format of the results.
        compute: What classifies it, as the caller asked.
        upload: The uploaded file that is the manifest, None if a caller submitted the job.
    """

    log_id: str
    input: BulkInput
    options: AnyBulkOptions
    output: OutputFormat
    compute: Compute = Compute.AUTO
    upload: UploadedFile | None = None


class ManifestRecord(JsonRecord):
    """The stored location of a manifest."""

    bucket: str
    key: str
    version_id: str | None = None


class OptionsRecord(QuestionRecord):
    """Stored labels and options, or questions."""

    questions: dict[str, QuestionRecord] | None = None
    scores: bool = False

    def to_options(self) -> AnyBulkOptions:
        """Convert to options, without limits: they were held to the deployment's limits when they were received."""
        options_type = BulkOptions if self.questions is None else BulkQuestions
        return options_type.model_validate(self.model_dump(exclude_none=True), context=UNLIMITED)


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
    input_kind: InputKind = InputKind.LINES
    compute: Compute = Compute.AUTO
    upload: UploadedFileRecord | None = None


def encode_spec(spec: BulkSpec) -> bytes:
    """Encode a spec as the JSON that is stored."""
    location = spec.input.location
    record = BulkSpecRecord(
        log_id=spec.log_id,
        manifest=ManifestRecord(bucket=location.bucket, key=location.object_key, version_id=location.version_id),
        options=OptionsRecord.model_validate(spec.options, from_attributes=True),
        output=spec.output,
        span_limits=SpanLimitsRecord.model_validate(spec.input.span_limits, from_attributes=True),
        input_kind=spec.input.kind,
        compute=spec.compute,
        upload=UploadedFileRecord.model_validate(spec.upload, from_attributes=True) if spec.upload else None,
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
        input=BulkInput(
            location=ManifestLocation(record.manifest.bucket, record.manifest.key, record.manifest.version_id),
            kind=record.input_kind,
            span_limits=SpanLimits(**record.span_limits.model_dump()),
        ),
        options=record.options.to_options(),
        output=record.output,
        compute=record.compute,
        upload=UploadedFile.model_validate(record.upload.model_dump()) if record.upload else None,
    )
