"""The request of `POST /v1/decisions`, in the shape of OpenAI's clients.

Fields that change nothing here are unknown to the models, and so ignored. docs/decisions-api.md lists them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, ValidationInfo, field_validator

from pigeonhole.contract.base import HttpInput, Text, Value
from pigeonhole.contract.decisions.content import JsonObjects, OrText
from pigeonhole.contract.limits import DEFAULT_LIMITS, get_limits
from pigeonhole.contract.validation import check_count, check_visible

DECISIONS = "/v1/decisions"

# --- what is asked about


class TextPart(HttpInput):
    """A text."""

    type: Literal["input_text", "output_text"]
    text: Text


class RefusalPart(HttpInput):
    """What an assistant wrote in place of an answer."""

    type: Literal["refusal"]
    refusal: Text


class ImagePart(HttpInput):
    """An image, by a `data:` or web address."""

    type: Literal["input_image"]
    image_url: Value


class JsonPart(HttpInput):
    """A JSON object or an array of objects, which is rendered as text."""

    type: Literal["input_json"]
    data: JsonObjects


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


def _tag_part(part: Any) -> str | None:
    tags = {
        "input_text": "#text",
        "output_text": "#text",
        "refusal": "#refusal",
        "input_image": "#image",
        "input_json": "#json",
    }
    kind = _field(part, "type")
    return tags.get(kind) if isinstance(kind, str) else None


Part = Annotated[
    Annotated[TextPart, Tag("#text")]
    | Annotated[RefusalPart, Tag("#refusal")]
    | Annotated[ImagePart, Tag("#image")]
    | Annotated[JsonPart, Tag("#json")],
    Discriminator(
        _tag_part,
        custom_error_type="part",
        custom_error_message="must be an object with the `type` input_text, input_image, input_json, output_text or refusal",
    ),
]
Parts = Annotated[list[Part], OrText(lambda text: [{"type": "input_text", "text": text}])]


class Message(HttpInput):
    """A message. Those of a system or developer are instructions to a generating model, and aren't classified."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: Parts


class ToolCall(HttpInput):
    """A call of a tool."""

    type: Literal["function_call", "custom_tool_call"]
    name: Text
    arguments: Text = ""
    input: Text = ""


class ToolOutput(HttpInput):
    """What a tool returned."""

    type: Literal["function_call_output", "custom_tool_call_output"]
    output: Parts


def _tag_item(item: Any) -> str | None:
    kind = _field(item, "type")
    if kind in ("function_call", "custom_tool_call"):
        return "#call"
    if kind in ("function_call_output", "custom_tool_call_output"):
        return "#output"
    return "#message" if kind in (None, "message") and _field(item, "role") is not None else None


Item = Annotated[
    Annotated[Message, Tag("#message")] | Annotated[ToolCall, Tag("#call")] | Annotated[ToolOutput, Tag("#output")],
    Discriminator(
        _tag_item,
        custom_error_type="item",
        custom_error_message="must be a message with a `role`, a function_call, a custom_tool_call or the output of either",
    ),
]


# --- the questions


class DecisionPredicate(HttpInput):
    """How likely it is that a statement is true of the input."""

    type: Literal["predicate"]
    name: Text | None = None
    instructions: Parts


class ChoiceOption(HttpInput):
    """A value of a choice. A string and a boolean with the same text are distinct."""

    value: bool | str
    description: Text | None = None

    @field_validator("value", mode="before")
    @classmethod
    def _check_value(cls, value: Any) -> Any:
        if not isinstance(value, str | bool):
            raise ValueError("must be a string, true or false")
        return check_visible(value) if isinstance(value, str) else value


def _check_choice_count(choices: Any, info: ValidationInfo) -> Any:
    return check_count(choices, 2, get_limits(info).max_question_labels, "choices")


def _check_level_count(levels: Any, info: ValidationInfo) -> Any:
    return check_count(levels, 2, get_limits(info).max_question_labels, "levels")


def _check_unique(choices: list[ChoiceOption]) -> list[ChoiceOption]:
    if len({(type(choice.value), choice.value) for choice in choices}) < len(choices):
        raise ValueError("must have distinct values: remove those that occur twice")
    return choices


class DecisionChoice(HttpInput):
    """Which of the choices fits the input."""

    type: Literal["choice"]
    name: Text | None = None
    instructions: Parts
    choices: Annotated[
        list[ChoiceOption],
        BeforeValidator(_check_choice_count),
        AfterValidator(_check_unique),
        Field(json_schema_extra={"minItems": 2, "maxItems": DEFAULT_LIMITS.max_question_labels}),
    ]


class ScoreLevel(HttpInput):
    """A level of a score."""

    label: Value
    description: Text | None = None


class DecisionScore(HttpInput):
    """Which of the ordered levels fits the input."""

    type: Literal["score"]
    name: Text | None = None
    instructions: Parts
    levels: Annotated[
        list[ScoreLevel],
        BeforeValidator(_check_level_count),
        Field(json_schema_extra={"minItems": 2, "maxItems": DEFAULT_LIMITS.max_question_labels}),
    ]


def _tag_question(question: Any) -> str | None:
    kind = _field(question, "type")
    return f"#{kind}" if kind in ("predicate", "choice", "score") else None


DecisionQuestion = Annotated[
    Annotated[DecisionPredicate, Tag("#predicate")]
    | Annotated[DecisionChoice, Tag("#choice")]
    | Annotated[DecisionScore, Tag("#score")],
    Discriminator(
        _tag_question,
        custom_error_type="question",
        custom_error_message="must be an object with the `type` predicate, choice or score",
    ),
]


def _check_question_count(questions: Any, info: ValidationInfo) -> Any:
    return check_count(questions, 1, get_limits(info).max_questions, "questions")


class DecisionRequest(HttpInput):
    """The body of `POST /v1/decisions`. Unknown fields are ignored. A field that is null counts as absent."""

    model: Text = Field(description="Any text: the deployed model answers, and the answer names it.")
    input: Annotated[list[Item], OrText(lambda text: [{"role": "user", "content": text}])] = Field(
        description="What all questions are about: a text, or messages and tool calls with texts, JSON and at most one image."
    )
    questions: Annotated[
        list[DecisionQuestion],
        BeforeValidator(_check_question_count),
        Field(json_schema_extra={"minItems": 1, "maxItems": DEFAULT_LIMITS.max_questions}),
    ]
