"""The answer, the errors and the list of models of OpenAI's clients."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pigeonhole.contract.base import HttpSchema


class DecisionPredicateAnswer(HttpSchema):
    """How likely the statement is true."""

    type: Literal["predicate"] = "predicate"
    name: str | None
    probability: float


class ChoiceProbability(HttpSchema):
    """How likely a choice is."""

    value: str | bool
    probability: float


class DecisionChoiceAnswer(HttpSchema):
    """The most probable choice, and the probability of each in the order of the question."""

    type: Literal["choice"] = "choice"
    name: str | None
    choice: str | bool
    confidence: float = Field(description="0 if the choice is a guess, 1 if it is certain.")
    probabilities: list[ChoiceProbability]


class LevelProbability(HttpSchema):
    """How likely a level is."""

    label: str
    value: int = Field(description="The position of the level, from 0.")
    probability: float


class DecisionScoreAnswer(HttpSchema):
    """The expected level, and the probability of each in the order of the question."""

    type: Literal["score"] = "score"
    name: str | None
    score: float = Field(description="The mean of the levels' values, weighted by their probabilities.")
    confidence: float = Field(description="0 if the most probable level is a guess, 1 if it is certain.")
    probabilities: list[LevelProbability]


class RefusalAnswer(HttpSchema):
    """The question can't be answered. `warnings` says why."""

    type: Literal["refusal"] = "refusal"
    name: str | None


Answer = Annotated[
    DecisionPredicateAnswer | DecisionChoiceAnswer | DecisionScoreAnswer | RefusalAnswer, Field(discriminator="type")
]


class InputTokensDetails(HttpSchema):
    """Both are 0, because a cache changes nothing of what is counted."""

    cached_tokens: int = 0
    cache_write_tokens: int = 0


class OutputTokensDetails(HttpSchema):
    """0, because no model reasons."""

    reasoning_tokens: int = 0


class DecisionUsage(HttpSchema):
    """What a request cost."""

    input_tokens: int = Field(description="Text tokens and image patches of the input and of all questions.")
    input_tokens_details: InputTokensDetails = InputTokensDetails()
    output_tokens: int
    output_tokens_details: OutputTokensDetails = OutputTokensDetails()
    total_tokens: int


class DecisionResponse(HttpSchema):
    """The answers, one per question in the same order."""

    model: str = Field(description="The id of the deployed model.")
    answers: list[Answer]
    usage: DecisionUsage
    warnings: list[str] | None = Field(None, description="What the caller should know, if there is something: an addition.")


class ListedModel(HttpSchema):
    """A deployed model, as OpenAI's clients list it."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="0, because no date is known.")
    owned_by: str


class ModelList(HttpSchema):
    """The deployed models, as OpenAI's clients list them."""

    object: Literal["list"] = "list"
    data: list[ListedModel]


class OpenAiError(HttpSchema):
    """What is wrong with a request."""

    message: str
    type: str
    code: str
    param: str | None = Field(description="The field of the body.")


class OpenAiErrorResponse(HttpSchema):
    """The shape of errors of `POST /v1/decisions`."""

    error: OpenAiError
