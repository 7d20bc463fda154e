"""The results of a bulk job: the rows of its parts, and the results manifest."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, StringConstraints, model_serializer
from pydantic.dataclasses import dataclass

from pigeonhole.contract.base import HttpSchema
from pigeonhole.contract.classification import LabelScore


class ResultRow(HttpSchema):
    """The result of a line: a line of a results part.

    Attributes:
        line: The line of the manifest, from 1.
        custom_id: The line's own `custom_id`.
        prediction: The best label, None if it is below the `threshold`. With `multiple_labels`, the labels, best first.
        scores: All labels, best first, if they were asked for.
    """

    line: int
    custom_id: str | None = None
    prediction: str | list[str] | None
    scores: list[LabelScore] | None = None

    @model_serializer(mode="wrap")
    def _write_null(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write a `prediction` that is None, even where fields that are None are left out: it is the result."""
        fields: dict[str, Any] = handler(self)
        return {name: fields.get(name) for name in type(self).model_fields if name in fields or name == "prediction"}


class QuestionsRow(HttpSchema):
    """The result of a line of a job with questions: a line of a results part.

    Attributes:
        line: The line of the manifest, from 1.
        custom_id: The line's own `custom_id`.
        predictions: The prediction of each question by its name, as in a ResultRow.
        scores: All labels of each question, best first, if they were asked for.
    """

    line: int
    custom_id: str | None = None
    predictions: dict[str, str | list[str] | None]
    scores: dict[str, list[LabelScore]] | None = None


AnyResultRow = ResultRow | QuestionsRow


class ErrorRow(HttpSchema):
    """Why a line has no result: a line of an errors part.

    Attributes:
        line: The line of the manifest, from 1.
        custom_id: The line's own `custom_id`, if the line could be read so far.
        code: The code of the error.
        message: How to fix it.
    """

    line: int
    custom_id: str | None = None
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class PartFile:
    """A file of the results. A job may have a million of them, so it has no more than its fields.

    Attributes:
        name: Its name, beside the results manifest.
        rows: Its number of rows.
        bytes: Its size.
        sha256: Its SHA-256, in hexadecimal digits.
    """

    name: str
    rows: int
    bytes: int
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Counts(BaseModel):
    """How many lines there were. Blank lines don't count."""

    model_config = ConfigDict(frozen=True)
    total: int
    succeeded: int
    failed: int


class ResultsManifest(BaseModel):
    """`_manifest.json`, which is written last. Where it is missing, the results aren't complete.

    Attributes:
        version: The version of this format.
        input: What was classified.
        model_id: The model.
        model_revision: The revision of its weights.
        labels: The names of the labels, in the order of the request. By the name of each question, if the job has questions.
        options: The other options that the request set.
        counts: How many lines succeeded and failed.
        results: The results parts, in the order of the lines.
        errors: The errors parts, in the order of the lines.
        warnings: What the caller should know about labels and samples.
    """

    model_config = ConfigDict(frozen=True)
    version: Literal[1] = 1
    input: str
    model_id: str
    model_revision: str
    labels: list[str] | dict[str, list[str]]
    options: dict[str, object]
    counts: Counts
    results: list[PartFile]
    errors: list[PartFile]
    warnings: list[str] = Field(default_factory=list)
