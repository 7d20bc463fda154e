"""What crosses HTTP: the models of `POST /v1/classification` and their limits.

A field's limits come from the validation context (`RequestLimits`), so that a deployment may set them; the defaults are the
documented ones. Every fault of a body is reported at once, each with its path, by `faults_of`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
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

from pigeonhole.errors import Fault, InvalidRequest
from pigeonhole.labels import label_name


@dataclass(frozen=True)
class RequestLimits:
    """How much one request may hold. Characters are Unicode code points."""

    max_samples: int = 32
    max_labels: int = 24
    min_labels: int = 2
    max_text_chars: int = 8_000
    max_label_chars: int = 512
    max_instruction_chars: int = 2_000
    max_templates: int = 16
    max_body_bytes: int = 4_000_000


def _limits(info: ValidationInfo) -> RequestLimits:
    return info.context if isinstance(info.context, RequestLimits) else RequestLimits()


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Sample(_Body):
    """One thing to classify: a text, or an image by https URL, data: URL or s3:// address."""

    type: Literal["text", "image"]
    value: Annotated[StrictStr, Field(min_length=1)]

    @model_validator(mode="after")
    def _text_within_limit(self, info: ValidationInfo) -> Sample:
        longest = _limits(info).max_text_chars
        if self.type == "text" and len(self.value) > longest:
            raise ValueError(f"a text has at most {longest} characters, got {len(self.value)}")
        return self


class Label(_Body):
    """One description of a class, by words or by an example image. Entries with one `key` describe one class."""

    key: StrictStr | StrictInt | StrictFloat | None = Field(
        None, description="The class's name in the answer; default: `value`."
    )
    type: Literal["text", "image"]
    value: Annotated[StrictStr, Field(min_length=1)]
    text: StrictStr | None = Field(None, description="Words that describe an image label.")

    @model_validator(mode="after")
    def _text_within_limit(self, info: ValidationInfo) -> Label:
        longest = _limits(info).max_label_chars
        for words in (self.value if self.type == "text" else "", self.text or ""):
            if len(words) > longest:
                raise ValueError(f"a label's text has at most {longest} characters, got {len(words)}")
        return self

    @property
    def name(self) -> str:
        """The label's name in the answer."""
        return label_name(self.key, self.value)


class ClassificationRequest(_Body):
    """The body of `POST /v1/classification`. Unknown fields are ignored."""

    dataset: list[Sample] = Field(description="1 to 32 samples, all of one type.")
    labels: list[Label] = Field(description="At most 24 entries, at least 2 distinct after merging by key.")
    multiple_labels: StrictBool = Field(False, description="Answer with an array of labels per sample, best first.")
    instruction: StrictStr | None = Field(
        None, validation_alias=AliasChoices("instruction", "task"), description="Context for the text prompts. Alias: `task`."
    )
    scores: StrictBool = Field(False, description="Add each label's probability and similarity.")
    threshold: Annotated[float, Field(ge=0, le=1, strict=True)] | None = Field(
        None, description="With `multiple_labels`: the least probability of a label that is returned."
    )
    top_k: Annotated[StrictInt, Field(ge=1)] | None = Field(None, description="At most so many labels per sample.")
    prompt_templates: list[StrictStr] | None = Field(
        None,
        validation_alias=AliasChoices("prompt_templates", "prompt_template"),
        description="Prompts that hold `{}` where the label goes, in place of the model's own. Alias: `prompt_template`, one string.",
    )
    on_error: Literal["fail", "null"] = Field(
        "fail", description="`null`: a sample that can't be read gives null and an entry in `errors`."
    )

    @field_validator("dataset", mode="after")
    @classmethod
    def _samples_within_limits(cls, dataset: list[Sample], info: ValidationInfo) -> list[Sample]:
        most = _limits(info).max_samples
        if not 1 <= len(dataset) <= most:
            raise ValueError(f"1 to {most} samples are taken, got {len(dataset)}")
        if len({sample.type for sample in dataset}) > 1:
            raise ValueError("the samples must be all texts or all images; send two requests for a mix")
        return dataset

    @field_validator("labels", mode="after")
    @classmethod
    def _labels_within_limits(cls, labels: list[Label], info: ValidationInfo) -> list[Label]:
        limits = _limits(info)
        if len(labels) > limits.max_labels:
            raise ValueError(f"at most {limits.max_labels} labels are taken, got {len(labels)}")
        distinct = len({label.name for label in labels})
        if distinct < limits.min_labels:
            raise ValueError(f"at least {limits.min_labels} distinct labels are needed, got {distinct}")
        return labels

    @field_validator("instruction", mode="after")
    @classmethod
    def _instruction_within_limit(cls, instruction: str | None, info: ValidationInfo) -> str | None:
        longest = _limits(info).max_instruction_chars
        if instruction and len(instruction) > longest:
            raise ValueError(f"an instruction has at most {longest} characters, got {len(instruction)}")
        return instruction or None

    @field_validator("prompt_templates", mode="before")
    @classmethod
    def _one_template_is_a_list(cls, templates: Any) -> Any:
        return [templates] if isinstance(templates, str) else templates

    @field_validator("prompt_templates", mode="after")
    @classmethod
    def _templates_within_limits(cls, templates: list[str] | None, info: ValidationInfo) -> list[str] | None:
        if templates is None:
            return None
        limits = _limits(info)
        if not 1 <= len(templates) <= limits.max_templates:
            raise ValueError(f"1 to {limits.max_templates} templates are taken, got {len(templates)}")
        for template in templates:
            if template.count("{}") != 1:
                raise ValueError(f"each template needs {{}} once, where the label goes: {template[:80]!r}")
            if len(template) > limits.max_label_chars:
                raise ValueError(f"a template has at most {limits.max_label_chars} characters, got {len(template)}")
        return templates


class LabelScore(_Body):
    """A label's standing for one sample. `probability`: 0..1, calibrated; `similarity`: cosine, -1..1."""

    label: str
    probability: float
    similarity: float


class SampleFault(_Body):
    """Why sample `index` (from 0) has no prediction."""

    index: int
    code: str
    message: str


class Usage(_Body):
    """What a request cost. `inference_time_tokens`: milliseconds of inference; `total_tokens`: the sum of the three."""

    input_tokens: int
    output_tokens: int
    inference_time_tokens: int
    total_tokens: int


class ClassificationResponse(_Body):
    """The 200 answer: one prediction per sample, in order."""

    model_config = ConfigDict(populate_by_name=True, frozen=True)

    success: Literal[True] = True
    log_id: str
    predictions: list[str | list[str] | None]
    scores: list[list[LabelScore] | None] | None = None
    errors: list[SampleFault] | None = None
    warnings: list[str] | None = None
    usage: Usage = Field(alias="_usage")


class ErrorBody(_Body):
    code: str
    details: list[dict[str, str]] | None = None


class ErrorResponse(_Body):
    """Every error of the service, the gateway's own included."""

    success: Literal[False] = False
    message: str
    log_id: str
    error: ErrorBody


def faults_of(error: ValidationError) -> tuple[Fault, ...]:
    """Turn pydantic's findings into faults with dotted paths, in the body's order."""
    found = []
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        # A union's branch shows as a segment of its own (`labels.0.key.str`): the caller's path ends before it.
        path = ".".join(str(part) for part in item["loc"] if not _is_union_branch(part))
        message = item["msg"].removeprefix("Value error, ")
        fault = Fault(path, message[:1].lower() + message[1:])
        if fault not in found and not any(seen.path == path and path.endswith(".key") for seen in found):
            found.append(Fault(path, "must be a string or a number") if path.endswith(".key") else fault)
    return tuple(found)


def _is_union_branch(part: object) -> bool:
    return part in ("str", "int", "float") or (isinstance(part, str) and part.startswith("constrained-"))


def parse_request(body: object, limits: RequestLimits) -> ClassificationRequest:
    """Validate a decoded JSON body.

    Raises InvalidRequest with every fault found, each with its path.
    """
    try:
        return ClassificationRequest.model_validate(body, context=limits)
    except ValidationError as error:
        faults = faults_of(error)
        first = faults[0]
        head = f"{first.path}: {first.message}" if first.path else first.message
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise InvalidRequest(head + more, faults) from None
