"""The request, the answer and the errors of `POST /v1/systemone`, in the shape of TypeSafe's clients."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from pigeonhole.contract.base import HttpInput, HttpSchema, Text
from pigeonhole.contract.decisions.content import JsonContent, OptionalJsonContent
from pigeonhole.contract.limits import DEFAULT_LIMITS, get_limits
from pigeonhole.contract.validation import check_count

SYSTEM_ONE = "/v1/systemone"

MAX_ASSETS = 1_000  # a content may have one, and each choice may have some
NO_BOX = "can't be answered: the models find no places in images. Ask with a noul whether the image shows it"


class NoulCriteria(HttpInput):
    """What counts as yes, and what as no."""

    true: JsonContent = None
    false: JsonContent = None


class NoulQuestion(HttpInput):
    """A question to be answered by yes or no, or a statement."""

    type: Literal["noul"]
    instructions: JsonContent = None
    criteria: NoulCriteria | None = None

    @model_validator(mode="after")
    def _check_asks(self) -> NoulQuestion:
        described = self.criteria is not None and (self.criteria.true is not None or self.criteria.false is not None)
        if self.instructions is None and not described:
            raise ValueError("must have `instructions` or `criteria`")
        return self


def _check_choice_count(criteria: Any, info: ValidationInfo) -> Any:
    _check_size(criteria, 2, get_limits(info).max_question_labels, "choices")
    return criteria


def _check_level_count(criteria: Any, info: ValidationInfo) -> Any:
    return check_count(criteria, 2, get_limits(info).max_question_labels, "levels")


def _check_question_count(questions: Any, info: ValidationInfo) -> Any:
    _check_size(questions, 1, get_limits(info).max_questions, "questions")
    return questions


def _check_asset_count(assets: Any) -> Any:
    _check_size(assets, 0, MAX_ASSETS, "assets")
    return assets


def _check_size(mapping: Any, least: int, most: int, noun: str) -> None:
    if isinstance(mapping, dict):
        check_count([*mapping], least, most, noun)


class SystemOneChoice(HttpInput):
    """Which of the choices fits the content."""

    type: Literal["choice"]
    instructions: JsonContent = None
    criteria: Annotated[
        dict[Text, OptionalJsonContent],
        BeforeValidator(_check_choice_count),
        Field(
            description="The description of each choice. A choice without one is understood by its name.",
            json_schema_extra={"minProperties": 2, "maxProperties": DEFAULT_LIMITS.max_question_labels},
        ),
    ]


class SystemOneScore(HttpInput):
    """Which of the ordered levels fits the content."""

    type: Literal["score"]
    instructions: JsonContent = None
    criteria: Annotated[
        list[JsonContent],
        BeforeValidator(_check_level_count),
        Field(
            description="The description of each level. The first one has the score 0.",
            json_schema_extra={"minItems": 2, "maxItems": DEFAULT_LIMITS.max_question_labels},
        ),
    ]


class BoxQuestion(HttpInput):
    """Where something is in an image. Always refused."""

    type: Literal["box"]

    @model_validator(mode="after")
    def _refuse(self) -> BoxQuestion:
        raise ValueError(NO_BOX)


SystemOneQuestion = Annotated[NoulQuestion | SystemOneChoice | SystemOneScore | BoxQuestion, Field(discriminator="type")]


class Asset(HttpInput):
    """An image: base64, or the name of a part of a multipart request."""

    type: Literal["image"] = "image"
    data_base64: Text | None = None
    part: Text | None = None

    @model_validator(mode="after")
    def _check_has_data(self) -> Asset:
        if self.part is None and self.data_base64 is None:
            raise ValueError("must have `data_base64` or `part`")
        return self


class SystemOneRequest(HttpInput):
    """The body of `POST /v1/systemone`. Unknown fields are ignored. A field that is null counts as absent."""

    model: Text = Field(description="Any text: the deployed model answers, and the answer names it.")
    state: JsonContent = Field(description="What all questions are about: a text, or JSON that is rendered as text.")
    questions: Annotated[
        dict[Text, SystemOneQuestion],
        BeforeValidator(_check_question_count),
        Field(json_schema_extra={"minProperties": 1, "maxProperties": DEFAULT_LIMITS.max_questions}),
    ]
    assets: Annotated[dict[Text, Asset], BeforeValidator(_check_asset_count)] = Field(
        default_factory=dict, description="Images by their placeholders, which stand in strings of `state` or of `criteria`."
    )

    @field_validator("assets", mode="after")
    @classmethod
    def _check_placeholders(cls, assets: dict[str, Asset]) -> dict[str, Asset]:
        if not all(name.strip() for name in assets):
            raise ValueError("must have placeholders that aren't blank")
        return assets


class NoulAnswer(HttpSchema):
    """How likely the answer is yes."""

    type: Literal["noul"] = "noul"
    noul: float


class SystemOneChoiceAnswer(HttpSchema):
    """The most probable choice, and the probability of each in the order of the question."""

    type: Literal["choice"] = "choice"
    choice: str
    confidence: float = Field(description="0 if the choice is a guess, 1 if it is certain.")
    probabilities: dict[str, float]


class SystemOneScoreAnswer(HttpSchema):
    """The expected level, and the probability of each by its score."""

    type: Literal["score"] = "score"
    score: float = Field(description="The mean of the scores, weighted by their probabilities.")
    confidence: float = Field(description="0 if the most probable level is a guess, 1 if it is certain.")
    legend: dict[str, Any] = Field(description="The description of each level by its score, as it was sent.")
    probabilities: dict[str, float]


Answer = Annotated[NoulAnswer | SystemOneChoiceAnswer | SystemOneScoreAnswer, Field(discriminator="type")]


class SystemOneUsage(HttpSchema):
    """What a request cost."""

    input_tokens: int = Field(description="Text tokens and image patches of the content and of all questions.")
    output_tokens: int


class SystemOneResponse(HttpSchema):
    """The answers by the names of the questions."""

    model: str = Field(description="The id of the deployed model.")
    answers: dict[str, Answer]
    usage: SystemOneUsage
    warnings: list[str] | None = Field(None, description="What the caller should know, if there is something: an addition.")


class ModelMetadata(HttpSchema):
    """A deployed model, as TypeSafe's clients list it."""

    name: str
    description: str
    release_date: str = Field(description="1970-01-01, because no date is known.")


class ModelMetadataList(HttpSchema):
    """The deployed models, as TypeSafe's clients list them."""

    models: list[ModelMetadata]


class FaultDetail(HttpSchema):
    """One fault of a request."""

    loc: list[str | int] = Field(description="`body`, and the path of the value in it.")
    msg: str
    type: str


class TypeSafeErrorResponse(HttpSchema):
    """The shape of errors of `POST /v1/systemone`: a list of faults with 422, else a message."""

    detail: list[FaultDetail] | str
