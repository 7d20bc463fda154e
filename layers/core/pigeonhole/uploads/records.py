"""The result of an upload as the table stores it."""

from __future__ import annotations

from typing import Literal

from pigeonhole.contract.classification import LabelScore
from pigeonhole.contract.jobs import Progress
from pigeonhole.contract.labels import LabelSetRef
from pigeonhole.jobs.records import LabelScoreRecord
from pigeonhole.label_sets.records import JsonRecord
from pigeonhole.timestamps import to_iso
from pigeonhole.uploads.upload_result import UploadFault, UploadResult


class LabelSetRecord(JsonRecord):
    """The label set that was used."""

    name: str
    version: int


class FaultRecord(JsonRecord):
    """Why there is no prediction."""

    code: str
    message: str


class CountsRecord(JsonRecord):
    """How many lines of a .jsonl file succeeded."""

    total: int
    succeeded: int
    failed: int


class UploadResultRecord(JsonRecord):
    """The JSON of an upload's result. Items without a `version` were written before there was one.

    The table stores the tenant, the sequencer and the exact times as attributes of their own.
    """

    version: Literal[1] = 1
    key: str
    version_id: str | None = None
    status: Literal["succeeded", "failed"]
    label_set: LabelSetRecord | None = None
    job_id: str | None = None
    classified_at: str
    expires_at: str
    prediction: str | list[str] | None = None
    scores: list[LabelScoreRecord] | None = None
    error: FaultRecord | None = None
    samples: CountsRecord | None = None
    results_uri: str | None = None
    results_line: int | None = None

    @classmethod
    def from_result(cls, result: UploadResult) -> UploadResultRecord:
        """Convert a result."""
        label_set, fault, samples = result.label_set, result.fault, result.samples
        return cls(
            key=result.object_key,
            version_id=result.version_id,
            status=result.status,
            label_set=LabelSetRecord(name=label_set.name, version=label_set.version) if label_set else None,
            job_id=result.job_id,
            classified_at=to_iso(result.classified_at),
            expires_at=to_iso(result.expires_at),
            prediction=result.prediction,
            scores=None if result.scores is None else [LabelScoreRecord(**score.model_dump()) for score in result.scores],
            error=FaultRecord(code=fault.code, message=fault.message) if fault else None,
            samples=CountsRecord(**samples.model_dump()) if samples else None,
            results_uri=result.results_uri,
            results_line=result.results_line,
        )

    def to_result(self, *, tenant_id: str, sequencer: str, classified_at: float, expires_at: int) -> UploadResult:
        """Convert to a result.

        Args:
            tenant_id: The attribute of this name.
            sequencer: The attribute of this name.
            classified_at: The attribute `at`, in seconds since 1970, UTC.
            expires_at: The attribute of this name, in seconds since 1970, UTC.
        """
        label_set, samples = self.label_set, self.samples
        return UploadResult(
            tenant_id=tenant_id,
            object_key=self.key,
            version_id=self.version_id,
            sequencer=sequencer,
            classified_at=classified_at,
            expires_at=expires_at,
            label_set=LabelSetRef(name=label_set.name, version=label_set.version) if label_set else None,
            job_id=self.job_id,
            prediction=self.prediction,
            scores=None if self.scores is None else [LabelScore(**score.model_dump()) for score in self.scores],
            fault=UploadFault(self.error.code, self.error.message) if self.error else None,
            samples=Progress(**samples.model_dump()) if samples else None,
            results_uri=self.results_uri,
            results_line=self.results_line,
        )
