"""Questions about samples: each is a choice among labels of its own, and all of them are answered by one reading."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, ValidationInfo

from pigeonhole.contract.base import HttpInput, HttpSchema
from pigeonhole.contract.classification import LabelScore, SampleFault, SamplesRequest, Usage, require_labels_or_label_set
from pigeonhole.contract.labels import (
    Instruction,
    LabelSetName,
    MultipleLabels,
    QuestionLabels,
    Templates,
    Threshold,
    TopK,
)
from pigeonhole.contract.limits import DEFAULT_LIMITS, RequestLimits, get_limits
from pigeonhole.errors import Fault

MAX_NAME_CHARS = 128


class Question(HttpInput):
    """A choice among labels. Its fields are those of a request."""

    model_config = ConfigDict(json_schema_extra=require_labels_or_label_set)

    labels: QuestionLabels
    label_set: LabelSetName | None = Field(None, description="The name of a saved label set, in place of `labels`.")
    multiple_labels: MultipleLabels = False
    instruction: Instruction = None
    threshold: Threshold = None
    top_k: TopK = None
    prompt_templates: Templates = None


def _check_question_count(questions: Any, info: ValidationInfo) -> Any:
    most = get_limits(info).max_questions
    if isinstance(questions, dict) and not 1 <= len(questions) <= most:
        raise ValueError(f"must have 1 to {most} questions, got {len(questions)}")
    return questions


QuestionName = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_CHARS)]
# The count is checked before the questions are validated, because a million wrong ones would make a million faults.
Questions = Annotated[
    dict[QuestionName, Question],
    BeforeValidator(_check_question_count),
    Field(
        description="1 to 400 questions about each sample, by names of yours. They cost one reading of the samples.",
        json_schema_extra={"minProperties": 1, "maxProperties": DEFAULT_LIMITS.max_questions},
    ),
]


class QuestionsRequest(SamplesRequest):
    """The body of `POST /v1/classification` with `questions` in place of `labels`."""

    questions: Questions


class QuestionsResponse(HttpSchema):
    """The predictions of each question, by its name. Optional fields are present only if they apply."""

    success: Literal[True] = True
    log_id: str
    predictions: dict[str, list[str | list[str] | None]]
    scores: dict[str, list[list[LabelScore] | None]] | None = None
    errors: list[SampleFault] | None = None
    warnings: list[str] | None = None
    usage: Usage = Field(alias="_usage")


def check_question_texts(questions: Iterable[Question], limits: RequestLimits, path: str) -> tuple[Fault, ...]:
    """Return the fault of questions that have too many distinct label texts together, each of which must be encoded."""
    texts = {text for question in questions for label in question.labels for text in (label.value, label.text) if text}
    if len(texts) <= limits.max_question_texts:
        return ()
    message = f"must have at most {limits.max_question_texts} distinct label texts together, got {len(texts)}"
    return (Fault(path, message),)
