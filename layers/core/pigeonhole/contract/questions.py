"""Questions about samples: each is a choice among labels of its own, and all of them are answered by one reading."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, ValidationInfo

from pigeonhole.contract.base import HttpInput, HttpSchema
from pigeonhole.contract.classification import (
    ClassificationRequest,
    CustomIds,
    LabelScore,
    SampleFault,
    SamplesRequest,
    Usage,
    check_result_size,
    max_result_bytes_per_sample,
    parse_body,
    require_labels_or_label_set,
)
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
from pigeonhole.contract.validation import invalid_request
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


class HasQuestions(HttpInput):
    """Questions in place of labels."""

    questions: Questions


class QuestionsRequest(SamplesRequest, HasQuestions):
    """The body of `POST /v1/classification` with `questions` in place of `labels`."""


AnyRequest = ClassificationRequest | QuestionsRequest
AnyQuestionsRequest = TypeVar("AnyQuestionsRequest", bound=QuestionsRequest)
QuestionsBody = TypeVar("QuestionsBody", bound=HasQuestions)


def has_questions(body: object) -> bool:
    """Whether a decoded JSON body has questions in place of labels."""
    return isinstance(body, dict) and body.get("questions") is not None


def list_questions(request: AnyRequest) -> Sequence[ClassificationRequest | Question]:
    """Return the questions of a request. A request with labels is one question."""
    return [request] if isinstance(request, ClassificationRequest) else [*request.questions.values()]


def label_paths(request: AnyRequest) -> Sequence[str]:
    """Return the path of the labels of each question, for the faults of their images."""
    if isinstance(request, ClassificationRequest):
        return ["labels"]
    return [f"questions.{name}.labels" for name in request.questions]


NamedPredictions = dict[str, list[str | list[str] | None]]
NamedScores = dict[str, list[list[LabelScore] | None]]


class QuestionsResponse(HttpSchema):
    """The predictions of each question, by its name. Optional fields are present only if they apply."""

    success: Literal[True] = True
    log_id: str
    predictions: NamedPredictions
    custom_ids: CustomIds | None = None
    scores: NamedScores | None = None
    errors: list[SampleFault] | None = None
    warnings: list[str] | None = None
    usage: Usage = Field(alias="_usage")

    @property
    def sample_count(self) -> int:
        """The number of samples."""
        return len(next(iter(self.predictions.values())))


def check_question_texts(questions: Iterable[Question], limits: RequestLimits, path: str) -> tuple[Fault, ...]:
    """Return the fault of questions that have too many distinct label texts together, each of which must be encoded."""
    texts = {text for question in questions for label in question.labels for text in (label.value, label.text) if text}
    if len(texts) <= limits.max_question_texts:
        return ()
    message = f"must have at most {limits.max_question_texts} distinct label texts together, got {len(texts)}"
    return (Fault(path, message),)


WITH_LABELS = Fault("questions", "can't be combined with `labels` or `label_set`: send one of them")


def parse_questions_request(
    request_type: type[AnyQuestionsRequest],
    body: object,
    limits: RequestLimits,
    *,
    faults: tuple[Fault, ...] = (),
) -> AnyQuestionsRequest:
    """Validate a decoded JSON body that has questions, as `parse_request` does for labels.

    Raises:
        InvalidRequest: The body has faults. The error lists all of them, each with its path.
    """
    request = parse_questions_body(request_type, body, limits, faults=faults)
    sample_bytes = sum(_max_result_bytes(*item, scores=request.scores) for item in request.questions.items())
    if faults := check_result_size(len(request.dataset), sample_bytes, limits):
        raise invalid_request(faults)
    return request


def parse_questions_body(
    body_type: type[QuestionsBody],
    body: object,
    limits: RequestLimits,
    *,
    unsupported: Sequence[Fault] = (),
    faults: tuple[Fault, ...] = (),
) -> QuestionsBody:
    """Validate a decoded JSON body that has questions, as `parse_body` does for labels.

    Raises:
        InvalidRequest: The body has faults. The error lists all of them, each with its path.
    """
    if isinstance(body, dict) and (body.get("labels") is not None or body.get("label_set") is not None):
        faults += (WITH_LABELS,)
    parsed = parse_body(body_type, body, limits, unsupported=unsupported, faults=faults)
    if faults := check_question_texts(parsed.questions.values(), limits, "questions"):
        raise invalid_request(faults)
    return parsed


def _max_result_bytes(name: str, question: Question, *, scores: bool) -> int:
    """Return the most bytes that a sample's result of one question can have."""
    name_bytes = len(json.dumps(name, ensure_ascii=False).encode()) + 1
    return max_result_bytes_per_sample(question, scores=scores) + name_bytes * (2 if scores else 1)
