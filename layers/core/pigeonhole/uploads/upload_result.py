"""The result of an upload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pigeonhole.contract.classification import LabelScore, SampleFault
from pigeonhole.contract.jobs import Progress
from pigeonhole.contract.labels import LabelSetRef


@dataclass(frozen=True)
class UploadFault:
    """Why an upload has no prediction.

    Attributes:
        code: The code of an error in errors.py, or `canceled`.
        message: What the caller should do.
    """

    code: str
    message: str


@dataclass(frozen=True, kw_only=True)
class UploadResult:
    """The result of the last upload of an object key, as the table stores it.

    Attributes:
        tenant_id: The tenant that uploaded the file.
        object_key: The file's key in the upload bucket.
        version_id: The version of the object, if the bucket has versions.
        sequencer: S3's order of uploads of the same key, as `to_sortable_sequencer` returns it.
        classified_at: When the result was created, in seconds since 1970, UTC.
        expires_at: From when the table may delete the result, in seconds since 1970, UTC.
        label_set: The label set that was used.
        job_id: The job that classified the file. None if no job could.
        prediction: The best label, or all chosen labels with the best first. None for a .jsonl file.
        scores: The scores of the labels in `prediction`.
        fault: Why there is no prediction.
        samples: How many lines of a .jsonl file succeeded. None for another file.
        results_uri: Where the object with the whole results of the job's files is, or the results manifest of a bulk job. None
            if no job classified the file.
        results_line: The line of that object which has this result, from 1. None for a bulk job, and for results of earlier
            versions, which stored a JSON object for each file.
    """

    tenant_id: str
    object_key: str
    version_id: str | None = None
    sequencer: str
    classified_at: float
    expires_at: int
    label_set: LabelSetRef | None = None
    job_id: str | None = None
    prediction: str | list[str] | None = None
    scores: Sequence[LabelScore] | None = None
    fault: UploadFault | None = None
    samples: Progress | None = None
    results_uri: str | None = None
    results_line: int | None = None

    @property
    def has_failed(self) -> bool:
        """Whether there is no prediction. A .jsonl file fails if each of its lines does."""
        return self.fault is not None

    @property
    def status(self) -> Literal["succeeded", "failed"]:
        """The status that callers see."""
        return "failed" if self.has_failed else "succeeded"

    @property
    def labels(self) -> list[str]:
        """The labels of `prediction`, the best first."""
        return [self.prediction] if isinstance(self.prediction, str) else self.prediction or []

    @property
    def best_probability(self) -> float | None:
        """The probability of the best label. None without scores."""
        best = self.labels[:1]
        return next((score.probability for score in self.scores or () if [score.label] == best), None)

    def may_replace(self, stored: UploadResult | None) -> bool:
        """Return whether the table may store this result in place of another result of the same key.

        A later upload always replaces an earlier one. For the same upload, a job may store its own result again, and any
        result may replace a failure.
        """
        if stored is None or stored.sequencer < self.sequencer:
            return True
        return stored.sequencer == self.sequencer and (stored.job_id == self.job_id or stored.has_failed)


@dataclass(frozen=True)
class DetailedUploadResult:
    """A result with the details that only the results object of its job holds.

    Attributes:
        result: What the table stores.
        scores: The scores of all labels.
        predictions: The prediction of each line of a .jsonl file. None for a line without one.
        errors: Why lines of a .jsonl file have no prediction. `index` counts lines from 0.
    """

    result: UploadResult
    scores: Sequence[LabelScore] | None = None
    predictions: Sequence[str | list[str] | None] | None = None
    errors: Sequence[SampleFault] | None = None
