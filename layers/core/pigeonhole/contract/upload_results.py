"""What crosses HTTP of uploaded objects' results, and what their JSON objects hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from pigeonhole.contract.classification import LabelScore, LabelSetRef, Model, SampleFault
from pigeonhole.contract.jobs import Progress

UPLOAD_RESULTS = "/v1/results"


class ObjectFault(Model):
    """Why an object has no prediction."""

    code: str
    message: str


class UploadResult(Model):
    """What became of one uploaded object. Times are ISO 8601, UTC.

    `classified_at`: when the result was written. `samples` is there for a .jsonl file, which has a sample per line: it
    succeeded if one of them did. Its `predictions` and `errors` are in the object at `results_uri` alone, as are other files'
    scores of labels that were not chosen.
    """

    key: str
    version_id: str | None = None
    status: Literal["succeeded", "failed"]
    label_set: LabelSetRef | None = None
    job_id: str | None = None
    classified_at: str
    expires_at: str
    prediction: str | list[str] | None = None
    scores: list[LabelScore] | None = Field(default=None, description="Of the labels in `prediction`.")
    error: ObjectFault | None = None
    samples: Progress | None = None
    predictions: list[str | list[str] | None] | None = None
    errors: list[SampleFault] | None = None
    results_uri: str = Field(description="The same as JSON on S3, with all that there is.")

    @property
    def labels(self) -> list[str]:
        """Those of `prediction`, the best first; none where there is no prediction."""
        return [self.prediction] if isinstance(self.prediction, str) else self.prediction or []

    def probability(self, label: str) -> float | None:
        """A label's, if it is among the scores."""
        return next((score.probability for score in self.scores or () if score.label == label), None)


class UploadResultsResponse(Model):
    """Some results of the tenant's uploaded objects."""

    success: Literal[True] = True
    log_id: str
    results: list[UploadResult]
    cursor: str | None = Field(default=None, description="Send it as `cursor` for the next page; absent at the end.")


@dataclass(frozen=True)
class ResultsWanted:
    """Which results, and how many. `key`: that object's alone; `since`, `until`: seconds since 1970, UTC."""

    key: str | None = None
    prefix: str = ""
    since: float | None = None
    until: float | None = None
    limit: int = 20
    cursor: str | None = None

    @property
    def by_key(self) -> bool:
        """Whether they are wanted in the order of their keys; else the newest come first."""
        return bool(self.prefix) and self.since is None and self.until is None
