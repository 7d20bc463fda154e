"""What crosses HTTP: the models of `POST /v1/classification` and their limits.

A field's limits come from the validation context (`RequestLimits`), so that a deployment may set them; the defaults are the
documented ones. Every fault of a body is reported at once, each with its path.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from pigeonhole.contract.validation import counted, faults_of, invalid_request, within
from pigeonhole.errors import Fault


@dataclass(frozen=True)
class RequestLimits:
    """How much one request may hold, and how many label sets a tenant. Characters are Unicode code points.

    `local_webhooks`: a webhook's address may be this machine's, and http://.
    """

    max_samples: int = 32
    max_labels: int = 24
    min_labels: int = 2
    max_text_chars: int = 8_000
    max_label_chars: int = 512
    max_instruction_chars: int = 2_000
    max_templates: int = 16
    max_body_bytes: int = 4_000_000
    max_upload_bytes: int = 20_000_000
    max_label_sets: int = 1_000
    local_webhooks: bool = False


DOCUMENTED = RequestLimits()
# Of what is kept: it was held to the deployment's limits when it came.
UNLIMITED = RequestLimits(**{each.name: sys.maxsize for each in fields(RequestLimits) if each.name.startswith("max_")})  # type: ignore[arg-type]


def limits_of(info: ValidationInfo) -> RequestLimits:
    return info.context if isinstance(info.context, RequestLimits) else DOCUMENTED


class Model(BaseModel):
    """Base of what crosses HTTP. An error's text never quotes the input: it may be logged."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class Input(Model):
    """Base of what callers send: null is as good as absent."""

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, fields: Any) -> Any:
        """Client libraries send null for an option that wasn't set."""
        return {name: value for name, value in fields.items() if value is not None} if isinstance(fields, dict) else fields


# A constraint, even an empty one, makes pydantic refuse half of a surrogate pair, which no JSON of ours could carry on.
Text = Annotated[StrictStr, Field(min_length=0)]
Value = Annotated[StrictStr, Field(min_length=1)]


class Sample(Input):
    """One thing to classify: a text, or an image by https URL, data: URL or s3:// address."""

    type: Literal["text", "image"]
    value: Value

    @field_validator("value", mode="after")
    @classmethod
    def _text_within_limit(cls, value: str, info: ValidationInfo) -> str:
        return within(value, limits_of(info).max_text_chars, "a text") if info.data.get("type") == "text" else value


class Label(Input):
    """One description of a class, by words or by an example image. Entries with one `key` describe one class."""

    key: Text | StrictInt | Annotated[StrictFloat, Field(allow_inf_nan=False)] | None = Field(
        None, description="The class's name in the answer; default: `value`."
    )
    type: Literal["text", "image"]
    value: Value
    text: Text | None = Field(None, description="Words that describe an image label.")

    @field_validator("value", mode="after")
    @classmethod
    def _value_within_limit(cls, value: str, info: ValidationInfo) -> str:
        return within(value, limits_of(info).max_label_chars, "a label's text") if info.data.get("type") == "text" else value

    @field_validator("text", mode="after")
    @classmethod
    def _text_within_limit(cls, text: str | None, info: ValidationInfo) -> str | None:
        return within(text, limits_of(info).max_label_chars, "a label's text") if text else None

    @field_validator("key", mode="after")
    @classmethod
    def _key_within_limit(cls, key: str | int | float | None, info: ValidationInfo) -> str | int | float | None:
        return within(key, limits_of(info).max_label_chars, "a key") if isinstance(key, str) else key

    @property
    def name(self) -> str:
        """The label's name in the answer."""
        return label_name(self.key, self.value)


# Lists are counted before their items are looked at: a hostile million of them would make a million faults.


def _count_samples(dataset: Any, info: ValidationInfo) -> Any:
    return counted(dataset, 1, limits_of(info).max_samples, "samples")


def _count_labels(labels: Any, info: ValidationInfo) -> Any:
    return counted(labels, 0, limits_of(info).max_labels, "labels")


def _count_templates(templates: Any, info: ValidationInfo) -> Any:
    return counted([templates] if isinstance(templates, str) else templates, 1, limits_of(info).max_templates, "templates")


def _one_type(dataset: list[Sample]) -> list[Sample]:
    if len({sample.type for sample in dataset}) > 1:
        raise ValueError("the samples must be all texts or all images; send two requests for a mix")
    return dataset


def _enough_distinct(labels: list[Label], info: ValidationInfo) -> list[Label]:
    least, distinct = limits_of(info).min_labels, len({label.name for label in labels})
    if distinct < least:
        raise ValueError(f"at least {least} distinct labels are needed, got {distinct}")
    return labels


def _instruction_within_limit(instruction: str | None, info: ValidationInfo) -> str | None:
    return within(instruction, limits_of(info).max_instruction_chars, "an instruction") if instruction else None


def _templates_within_limits(templates: list[str] | None, info: ValidationInfo) -> list[str] | None:
    for template in templates or ():
        if template.count("{}") != 1:
            raise ValueError(f"each template needs {{}} once, where the label goes: {template[:80]!r}")
        within(template, limits_of(info).max_label_chars, "a template")
    return templates


def _labels_or_set(schema: dict[str, Any]) -> None:
    """A request has `labels`, or the name of a set that has them."""
    schema["required"] = [name for name in schema["required"] if name != "labels"]
    schema["anyOf"] = [{"required": ["labels"]}, {"required": ["label_set"]}]


def check_set_name(name: str) -> str:
    """Give a label set's name back. Raises ValueError for what can't be one: it is part of addresses and of objects' keys."""
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?", name):
        raise ValueError("must be 1 to 64 lower-case letters, digits, - and _, with a letter or digit at each end")
    return name


def is_set_name(name: str) -> bool:
    """Whether a label set could be called that."""
    try:
        return bool(check_set_name(name))
    except ValueError:
        return False


Samples = Annotated[list[Sample], BeforeValidator(_count_samples), AfterValidator(_one_type)]
# What a request and a label set have in common.
Labels = Annotated[
    list[Label],
    BeforeValidator(_count_labels),
    AfterValidator(_enough_distinct),
    Field(
        description="At most 24 entries, at least 2 distinct after merging by key. A text such as `not a cat` or `other` is "
        "read for what it means: the complement of `cat`, none of the other labels.",
        json_schema_extra={"minItems": DOCUMENTED.min_labels, "maxItems": DOCUMENTED.max_labels},
    ),
]
MultipleLabels = Annotated[
    StrictBool,
    Field(
        description="Answer with an array of labels per sample, best first, never empty. `none of these` stands alone in it."
    ),
]
Instruction = Annotated[
    Text | None,
    AfterValidator(_instruction_within_limit),
    Field(validation_alias=AliasChoices("instruction", "task"), description="Context for the text prompts. Alias: `task`."),
]
Threshold = Annotated[
    Annotated[float, Field(ge=0, le=1, strict=True, allow_inf_nan=False)] | None,
    Field(description="With `multiple_labels`: the least probability of a label that is returned."),
]
TopK = Annotated[Annotated[StrictInt, Field(ge=1)] | None, Field(description="At most so many labels per sample.")]
Templates = Annotated[
    list[Text] | None,
    BeforeValidator(_count_templates),
    AfterValidator(_templates_within_limits),
    Field(
        validation_alias=AliasChoices("prompt_templates", "prompt_template"),
        description="Prompts, `{}` where the label goes, in place of the model's own. Alias: `prompt_template`, one string.",
    ),
]
SetName = Annotated[StrictStr, AfterValidator(check_set_name)]


class LabelSetRef(Model):
    """The label set that an answer was made with. `version` goes up by one at each change."""

    name: str
    version: int


class ClassificationRequest(Input):
    """The body of `POST /v1/classification`. Unknown fields are ignored; null is as good as absent."""

    model_config = ConfigDict(json_schema_extra=_labels_or_set)

    dataset: Samples = Field(
        description="1 to 32 samples, all of one type.", json_schema_extra={"minItems": 1, "maxItems": DOCUMENTED.max_samples}
    )
    labels: Labels
    label_set: SetName | None = Field(
        None,
        description="The name of a saved label set, in place of `labels`. Its options hold where the request has none.",
    )
    multiple_labels: MultipleLabels = False
    instruction: Instruction = None
    scores: StrictBool = Field(False, description="Add each label's probability and similarity.")
    threshold: Threshold = None
    top_k: TopK = None
    prompt_templates: Templates = None
    on_error: Literal["fail", "null"] = Field(
        "fail", description="`null`: a sample that can't be read gives null and an entry in `errors`."
    )


class LabelScore(Model):
    """A label's standing for one sample. `probability`: 0..1, calibrated; `similarity`: cosine, -1..1.

    The similarity of "not X" is that of X with its sign turned; that of "none of these" is 0.
    """

    label: str
    probability: float
    similarity: float


class SampleFault(Model):
    """Why sample `index` (from 0) has no prediction."""

    index: int
    code: str
    message: str


class Usage(Model):
    """What a request cost. `inference_time_tokens`: milliseconds of inference; `total_tokens`: the sum of the three."""

    input_tokens: int
    output_tokens: int
    inference_time_tokens: int
    total_tokens: int


class ClassificationResponse(Model):
    """The 200 answer: one prediction per sample, in order. The optional fields are there if they were asked for."""

    success: Literal[True] = True
    log_id: str
    predictions: list[str | list[str] | None]
    scores: list[list[LabelScore] | None] | None = None
    errors: list[SampleFault] | None = None
    warnings: list[str] | None = None
    label_set: LabelSetRef | None = None
    usage: Usage = Field(alias="_usage")


class ErrorBody(Model):
    """`code`: one of the error table's; `details`: each fault with its path in the body, or its parameter or header."""

    code: str
    details: list[dict[str, str]] | None = None


class ErrorResponse(Model):
    """Every error of the service, the gateway's own included."""

    success: Literal[False] = False
    message: str
    log_id: str
    error: ErrorBody


Request = TypeVar("Request", bound=ClassificationRequest)


def parse_request(body: object, limits: RequestLimits) -> ClassificationRequest:
    """Validate a decoded JSON body.

    Raises InvalidRequest with every fault found, each with its path.
    """
    return parse_as(ClassificationRequest, body, limits)


def parse_as(
    model: type[Request],
    body: object,
    limits: RequestLimits,
    *,
    lacking: Sequence[Fault] = (),
    faults: tuple[Fault, ...] = (),
) -> Request:
    """Validate a decoded JSON body as `model`. `lacking`: a fault for each field that isn't there yet; `faults`: those that are
    known already.

    Raises InvalidRequest with every fault found, each with its path.
    """
    given = {name for name, value in body.items() if value is not None} if isinstance(body, dict) else set()
    faults += tuple(fault for fault in lacking if fault.path in given)
    try:
        request = model.model_validate(body, context=limits)
    except ValidationError as error:
        found = faults + faults_of(error)
        if any(fault.path == "label_set" for fault in found):  # the labels are missing because the set is
            found = tuple(fault for fault in found if fault != Fault("labels", "is required"))
        raise invalid_request(found) from None
    if faults:
        raise invalid_request(faults)
    return request


def label_name(key: str | int | float | None, value: str) -> str:
    """The name of a label in the answer: its key as a string, else its value."""
    return value if key is None else str(key)
