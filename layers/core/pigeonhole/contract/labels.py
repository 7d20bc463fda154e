"""Labels, their options, and the names of label sets: what a request and a label set have in common."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationInfo,
    field_validator,
)

from pigeonhole.contract.base import HttpInput, HttpSchema, Text, Value
from pigeonhole.contract.limits import DEFAULT_LIMITS, UNLIMITED, get_limits
from pigeonhole.contract.validation import check_count, check_length, check_visible, is_blank, strip_address

# The JSON Schema has the default limits. Validation checks those of the deployment.
LabelText = Annotated[Text, Field(json_schema_extra={"maxLength": DEFAULT_LIMITS.max_label_chars})]


class Label(HttpInput):
    """A description of a class, by words or by an example image. Labels with the same `key` describe the same class."""

    key: LabelText | StrictInt | Annotated[StrictFloat, Field(allow_inf_nan=False)] | None = Field(
        None, description="The name of the class in the answer. Default: `value`."
    )
    type: Literal["text", "image"]
    value: Value
    text: LabelText | None = Field(None, description="Words that describe an image label.")

    @field_validator("value", mode="after")
    @classmethod
    def _check_value(cls, value: str, info: ValidationInfo) -> str:
        is_text = info.data.get("type") == "text"
        return check_length(value, get_limits(info).max_label_chars, "the text of a label") if is_text else strip_address(value)

    @field_validator("text", mode="after")
    @classmethod
    def _check_text(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is None or is_blank(text):
            return None
        return check_length(text, get_limits(info).max_label_chars, "the text of a label")

    @field_validator("key", mode="after")
    @classmethod
    def _check_key(cls, key: str | int | float | None, info: ValidationInfo) -> str | int | float | None:
        limits = get_limits(info)
        if key is None or limits is UNLIMITED:
            return key
        name = str(key)  # of a number as well: the class is called by it, and JSON has numbers of thousands of digits
        check_length(check_visible(name), limits.max_label_chars, "a key")
        return key

    @property
    def name(self) -> str:
        """The name of the label's class in the answer."""
        return label_name(self.key, self.value)


def label_name(key: str | int | float | None, value: str) -> str:
    """Return the name of a label in the answer: its key as a string, else its value."""
    return value if key is None else str(key)


LABEL_SET_NAME = r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?"  # part of URLs and object keys


def check_label_set_name(name: str) -> str:
    """Return `name` if a label set can have it.

    Raises:
        ValueError: No label set can have this name.
    """
    if not re.fullmatch(LABEL_SET_NAME, name):
        raise ValueError("must be 1 to 64 lower-case letters, digits, - and _, with a letter or digit at each end")
    return name


def is_label_set_name(name: str) -> bool:
    """Whether a label set can have this name."""
    try:
        return bool(check_label_set_name(name))
    except ValueError:
        return False


def _check_label_count(labels: Any, info: ValidationInfo) -> Any:
    return check_count(labels, 0, get_limits(info).max_labels, "labels")


def _check_question_label_count(labels: Any, info: ValidationInfo) -> Any:
    return check_count(labels, 0, get_limits(info).max_question_labels, "labels")


def _check_template_count(templates: Any, info: ValidationInfo) -> Any:
    items = [templates] if isinstance(templates, str) else templates
    return check_count(items, 1, get_limits(info).max_templates, "templates")


def _check_distinct(labels: list[Label], info: ValidationInfo) -> list[Label]:
    least, distinct = get_limits(info).min_labels, len({label.name for label in labels})
    if distinct < least:
        raise ValueError(f"at least {least} distinct labels are needed, got {distinct}")
    return labels


def _check_instruction(instruction: str | None, info: ValidationInfo) -> str | None:
    if instruction is None or is_blank(instruction):
        return None
    return check_length(instruction, get_limits(info).max_instruction_chars, "an instruction")


def _check_templates(templates: list[str] | None, info: ValidationInfo) -> list[str] | None:
    for template in templates or ():
        if template.count("{}") != 1:
            raise ValueError(f"each template must contain {{}} once, where the label goes: {template[:80]!r}")
        check_length(template, get_limits(info).max_label_chars, "a template")
    return templates


# Counts are checked before the items are validated, because a list of a million wrong items would make a million faults.
Labels = Annotated[
    list[Label],
    BeforeValidator(_check_label_count),
    AfterValidator(_check_distinct),
    Field(
        description="At most 24 labels, at least 2 of them distinct after merging by key. A text such as `not a cat` means the "
        "complement of `cat`. A text such as `other` means none of the other labels.",
        json_schema_extra={"minItems": DEFAULT_LIMITS.min_labels, "maxItems": DEFAULT_LIMITS.max_labels},
    ),
]
QuestionLabels = Annotated[
    list[Label],
    BeforeValidator(_check_question_label_count),
    AfterValidator(_check_distinct),
    Field(
        description="At most 255 labels, as in `labels` of the request.",
        json_schema_extra={"minItems": DEFAULT_LIMITS.min_labels, "maxItems": DEFAULT_LIMITS.max_question_labels},
    ),
]
MultipleLabels = Annotated[
    StrictBool,
    Field(
        description="Answer with an array of labels per sample, best first, never empty. The label `none of these` is always "
        "the only one in its array."
    ),
]
Instruction = Annotated[
    Annotated[Text, Field(json_schema_extra={"maxLength": DEFAULT_LIMITS.max_instruction_chars})] | None,
    AfterValidator(_check_instruction),
    Field(validation_alias=AliasChoices("instruction", "task"), description="Context for the text prompts. Alias: `task`."),
]
Threshold = Annotated[
    Annotated[float, Field(ge=0, le=1, strict=True, allow_inf_nan=False)] | None,
    Field(
        description="The lowest probability at which a label is returned. With a single label, the prediction is null if no "
        "label reaches it. With `multiple_labels`, the default comes from the calibration, and an answer is never empty."
    ),
]
TopK = Annotated[Annotated[StrictInt, Field(ge=1)] | None, Field(description="The most labels per sample.")]
Templates = Annotated[
    Annotated[
        list[LabelText],
        Field(json_schema_extra={"minItems": 1, "maxItems": DEFAULT_LIMITS.max_templates}),
    ]
    | None,
    BeforeValidator(_check_template_count),
    AfterValidator(_check_templates),
    Field(
        validation_alias=AliasChoices("prompt_templates", "prompt_template"),
        description="Prompts that replace the model's own, each with `{}` where the label goes. Alias: `prompt_template`, "
        "which can be one string.",
    ),
]
LabelSetName = Annotated[
    StrictStr, AfterValidator(check_label_set_name), Field(json_schema_extra={"pattern": f"^{LABEL_SET_NAME}$"})
]


class LabelSetRef(HttpSchema):
    """The version of a label set that classified the samples."""

    name: str
    version: int
