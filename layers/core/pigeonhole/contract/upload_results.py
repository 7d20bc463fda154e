"""The answers about uploads' results. The lines of a job's results object on S3 have the same shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from pigeonhole.contract.base import HttpSchema
from pigeonhole.contract.classification import LabelScore, SampleFault
from pigeonhole.contract.jobs import BulkResults, Progress
from pigeonhole.contract.labels import LabelSetRef

UPLOAD_RESULTS = "/v1/results"


class ObjectFault(HttpSchema):
    """Why an upload has no prediction."""

    code: str
    message: str


class UploadResult(HttpSchema):
    """The result of one upload. Times are ISO 8601, UTC."""

    key: str = Field(description="The object key of the upload.")
    version_id: str | None = None
    status: Literal["succeeded", "failed"] = Field(description="A .jsonl file succeeds if one of its samples does.")
    label_set: LabelSetRef | None = None
    job_id: str | None = None
    classified_at: str = Field(description="When the result was stored.")
    expires_at: str
    prediction: str | list[str] | None = None
    scores: list[LabelScore] | None = Field(default=None, description="The scores of the labels in `prediction`.")
    error: ObjectFault | None = None
    samples: Progress | None = Field(default=None, description="Of a .jsonl file, which has one sample per line.")
    predictions: list[str | list[str] | None] | None = Field(
        default=None, description="Of a .jsonl file, and only in the object at `results_uri`."
    )
    errors: list[SampleFault] | None = Field(
        default=None, description="Of a .jsonl file, and only in the object at `results_uri`."
    )
    results_uri: str | None = Field(
        default=None,
        description="The address of an object on S3 that has the whole results of the files of `job_id`, one per line, with "
        "the scores of all labels. For a file that a bulk job classified, that of its `_manifest.json`. Absent if no job did.",
    )
    results_line: int | None = Field(
        default=None, description="The line of this result in that object, from 1. Absent if a bulk job classified the file."
    )
    results: BulkResults | None = Field(
        default=None, description="Links to the results of the lines, if a bulk job classified the file. Only with `key`."
    )

    @property
    def labels(self) -> list[str]:
        """The labels in `prediction`, best first, none if there is no prediction."""
        return [self.prediction] if isinstance(self.prediction, str) else self.prediction or []

    def probability(self, label: str) -> float | None:
        """Return the probability of a label, None if the scores don't have it."""
        return next((score.probability for score in self.scores or () if score.label == label), None)


class UploadResultsResponse(HttpSchema):
    """A page of the results of the tenant's uploads."""

    success: Literal[True] = True
    log_id: str
    results: list[UploadResult]
    cursor: str | None = Field(default=None, description="The `cursor` of the next page. Absent on the last page.")


@dataclass(frozen=True)
class UploadResultsQuery:
    """Which uploads' results a caller wants. Times are seconds since 1970, UTC.

    Attributes:
        object_key: Only the result of this object.
        prefix: Only results of objects whose keys begin with this.
        since: Only results from this time on.
        until: Only results up to this time.
        limit: The most results of the page.
        cursor: The `next` of the page before, None for the first page.
    """

    object_key: str | None = None
    prefix: str = ""
    since: float | None = None
    until: float | None = None
    limit: int = 20
    cursor: str | None = None

    @property
    def is_by_object_key(self) -> bool:
        """Whether the results are sorted by object key. Otherwise the newest come first."""
        return bool(self.prefix) and self.since is None and self.until is None
