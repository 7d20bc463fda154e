"""What jobs store, versioned and apart from the HTTP models: their input, and the results of their parts.

The input is an object in S3. Results of a part are in its item, or in an object if they are too large for the item.

A record is read by later versions of the service, because jobs are in flight during an upgrade. So a field may be added with a
default, and unknown fields are ignored. Any other change needs a new `version` and code that reads the old one.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from pigeonhole.contract.classification import ClassificationRequest
from pigeonhole.contract.commands import ChunkResult, ErrorReply
from pigeonhole.contract.limits import UNLIMITED
from pigeonhole.contract.questions import AnyRequest, QuestionsRequest
from pigeonhole.contract.uploads import UploadedFile
from pigeonhole.jobs.results import PartResults, ResultNames
from pigeonhole.label_sets.records import JsonRecord, LabelRecord


@dataclass(frozen=True)
class JobInput:
    """What the workers of a job need.

    Attributes:
        log_id: The id of the request that submitted the job.
        request: The samples, labels and options, or questions.
        uploads: The files that the samples came in, in the order of the samples. Empty if they came in the request.
    """

    log_id: str
    request: AnyRequest
    uploads: tuple[UploadedFile, ...] = ()


class SampleRecord(JsonRecord):
    """A stored sample."""

    type: Literal["text", "image"]
    value: str
    custom_id: str | None = None


class QuestionRecord(JsonRecord):
    """Stored labels and options. A request that has questions has labels of its own in none of these fields."""

    labels: list[LabelRecord] | None = None
    label_set: str | None = None
    multiple_labels: bool = False
    instruction: str | None = None
    threshold: float | None = None
    top_k: int | None = None
    prompt_templates: list[str] | None = None


class RequestRecord(QuestionRecord):
    """A stored classification request."""

    dataset: list[SampleRecord]
    questions: dict[str, QuestionRecord] | None = None
    scores: bool = False
    on_error: Literal["fail", "null"] = "fail"

    @classmethod
    def from_request(cls, request: AnyRequest) -> RequestRecord:
        """Convert a request. What only HTTP needs of it, such as a webhook's address, is left out."""
        return cls.model_validate(request, from_attributes=True)

    def to_request(self) -> AnyRequest:
        """Convert to a request, without limits: it was held to the deployment's limits when it was received."""
        request_type = ClassificationRequest if self.questions is None else QuestionsRequest
        return request_type.model_validate(self.model_dump(exclude_none=True), context=UNLIMITED)


class UploadedFileRecord(JsonRecord):
    """A stored description of an uploaded file."""

    key: str
    version_id: str | None = None
    sequencer: str
    size: int
    samples: int = 1
    is_lines: bool = False


class JobInputRecord(JsonRecord):
    """The stored input of a job.

    Attributes:
        objects: The files that the samples came in.
    """

    version: Literal[1] = 1
    kind: Literal["job_input"] = "job_input"
    log_id: str
    request: RequestRecord
    objects: tuple[UploadedFileRecord, ...] = ()

    @classmethod
    def from_job_input(cls, job_input: JobInput) -> JobInputRecord:
        """Convert a job's input."""
        return cls(
            log_id=job_input.log_id,
            request=RequestRecord.from_request(job_input.request),
            objects=tuple(UploadedFileRecord.model_validate(upload, from_attributes=True) for upload in job_input.uploads),
        )

    def to_job_input(self) -> JobInput:
        """Convert to a job's input."""
        uploads = tuple(UploadedFile.model_validate(upload, from_attributes=True) for upload in self.objects)
        return JobInput(self.log_id, self.request.to_request(), uploads)


class ResultNamesRecord(JsonRecord):
    """What the caller calls the samples and the questions of a job."""

    version: Literal[1] = 1
    custom_ids: list[str | None] | None = None
    questions: dict[str, bool] | None = None


class LabelScoreRecord(JsonRecord):
    """A stored score of a label for one sample."""

    label: str
    probability: float
    similarity: float


class SampleFaultRecord(JsonRecord):
    """A stored error of one sample."""

    index: int
    code: str
    message: str


class ChunkResultRecord(JsonRecord):
    """The stored results of a part's samples, one by one."""

    predictions: list[list[str] | None]
    scores: list[list[LabelScoreRecord] | None] | None = None
    errors: list[SampleFaultRecord] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    input_tokens: int
    label_tokens: int = 0
    output_tokens: int
    inference_ms: int


class ErrorRecord(JsonRecord):
    """A stored error that all samples of a part share."""

    code: str
    message: str
    details: list[dict[str, str]] = Field(default_factory=list)


class PartResultsRecord(JsonRecord):
    """The stored results of a part.

    Attributes:
        result: The results of the samples, one by one.
        answers: The results for each question, in place of `result`, if the request has several.
        error: The one error of all samples, in place of either.
        gave_up: True if the samples failed because every attempt at them failed.
    """

    version: Literal[1] = 1
    result: ChunkResultRecord | None = None
    answers: list[ChunkResultRecord] | None = None
    error: ErrorRecord | None = None
    gave_up: Literal[True] | None = None

    @classmethod
    def from_part_results(cls, part_results: PartResults) -> PartResultsRecord:
        """Convert the results of a part."""
        results, error = part_results.results, part_results.error
        records = [ChunkResultRecord.model_validate(result, from_attributes=True) for result in results]
        return cls(
            result=records[0] if len(records) == 1 else None,
            answers=records if len(records) > 1 else None,
            error=ErrorRecord.model_validate(error, from_attributes=True) if error else None,
            gave_up=True if part_results.is_abandoned else None,
        )

    def to_part_results(self) -> PartResults:
        """Convert to the results of a part."""
        records = self.answers or ([self.result] if self.result else [])
        return PartResults(
            results=tuple(ChunkResult.model_validate(record, from_attributes=True) for record in records),
            error=ErrorReply.model_validate(self.error, from_attributes=True) if self.error else None,
            is_abandoned=self.gave_up is True,
        )


def encode_job_input(job_input: JobInput) -> bytes:
    """Encode a job's input as the JSON that is stored."""
    return JobInputRecord.from_job_input(job_input).to_json().encode()


def decode_job_input(data: bytes) -> JobInput:
    """Decode a stored input.

    Raises:
        ValueError: The data isn't an input that this version of the service can read.
    """
    return JobInputRecord.from_json(data).to_job_input()


def encode_names(names: ResultNames) -> bytes:
    """Encode the names of a job's samples and questions as the JSON that is stored."""
    return ResultNamesRecord.model_validate(names, from_attributes=True).to_json().encode()


def decode_names(data: bytes) -> ResultNames:
    """Decode the stored names of a job's samples and questions."""
    record = ResultNamesRecord.from_json(data)
    return ResultNames(record.custom_ids, record.questions)


def encode_part_results(part_results: PartResults) -> bytes:
    """Encode the results of a part as the gzipped JSON that is stored. The same results give the same bytes."""
    record = PartResultsRecord.from_part_results(part_results)
    return gzip.compress(record.to_json().encode(), mtime=0)


def decode_part_results(data: bytes) -> PartResults:
    """Decode the stored results of a part.

    Raises:
        ValueError: The data isn't a part that this version of the service can read.
    """
    return PartResultsRecord.from_json(gzip.decompress(data)).to_part_results()
