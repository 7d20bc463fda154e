"""The request and the answer of `POST /v1/classification`. Every fault of a body is reported at once, each with its path."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Protocol, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from pigeonhole.contract.base import HttpInput, HttpSchema, Text
from pigeonhole.contract.labels import (
    Instruction,
    Label,
    Labels,
    LabelSetName,
    LabelSetRef,
    MultipleLabels,
    Templates,
    Threshold,
    TopK,
)
from pigeonhole.contract.limits import DEFAULT_LIMITS, UNLIMITED, RequestLimits, get_limits
from pigeonhole.contract.validation import BLANK, check_count, check_length, invalid_request, is_blank, strip_address, to_faults
from pigeonhole.errors import Fault

SCORE_BYTES = 64  # of a LabelScore as JSON, its label aside: {"label":,"probability":0.123456,"similarity":-0.123456},


def _check_custom_id(custom_id: str, info: ValidationInfo) -> str:
    return check_length(custom_id, get_limits(info).max_custom_id_chars, "a custom_id")


CustomId = Annotated[
    Text, AfterValidator(_check_custom_id), Field(json_schema_extra={"maxLength": DEFAULT_LIMITS.max_custom_id_chars})
]


class Sample(HttpInput):
    """One thing to classify: a text, or an image by https URL, data: URL or s3:// address."""

    type: Literal["text", "image"]
    # Validation lets a blank value pass: the request decides whether it fails, or only the sample does.
    value: Text = Field(json_schema_extra={"minLength": 1})
    custom_id: CustomId | None = Field(None, description="Your own name for the sample. The answer repeats it.")

    @field_validator("value", mode="after")
    @classmethod
    def _check_value(cls, value: str, info: ValidationInfo) -> str:
        is_text = info.data.get("type") == "text"
        return check_length(value, get_limits(info).max_text_chars, "a text") if is_text else strip_address(value)


def _check_sample_count(dataset: Any, info: ValidationInfo) -> Any:
    return check_count(dataset, 1, get_limits(info).max_samples, "samples")


def _check_one_type(dataset: list[Sample]) -> list[Sample]:
    if len({sample.type for sample in dataset}) > 1:
        raise ValueError("the samples must be all texts or all images. Send two requests for a mix")
    return dataset


# The count is checked before the samples are validated, because a million wrong samples would make a million faults.
Samples = Annotated[list[Sample], BeforeValidator(_check_sample_count), AfterValidator(_check_one_type)]


def require_labels_or_label_set(schema: dict[str, Any]) -> None:
    """Let the JSON Schema require either `labels` or the name of a label set, of which validation puts the labels in."""
    schema["required"] = [name for name in schema["required"] if name != "labels"]
    schema["oneOf"] = [
        {"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in ("labels", "label_set")
    ]


class SamplesRequest(HttpInput):
    """The samples of a request. Unknown fields are ignored. A field that is null counts as absent."""

    # The first field, because the samples are validated by it.
    on_error: Literal["fail", "null"] = Field(
        "fail",
        description="What happens if a sample is blank or can't be read. `fail`: the request fails. `null`: its prediction is "
        "null, and `errors` says why.",
    )
    dataset: Samples = Field(
        description="1 to 32 samples, all of the same type.",
        json_schema_extra={"minItems": 1, "maxItems": DEFAULT_LIMITS.max_samples},
    )
    scores: StrictBool = Field(False, description="Add the probability and the similarity of each label.")

    @field_validator("dataset", mode="after")
    @classmethod
    def _check_visible_samples(cls, dataset: list[Sample], info: ValidationInfo) -> list[Sample]:
        if get_limits(info) is UNLIMITED or cls.blank_samples_pass(info.data.get("on_error")):
            return dataset
        blank = PydanticCustomError("blank", BLANK)
        faults = [
            InitErrorDetails(type=blank, loc=(index, "value"), input=None)
            for index, sample in enumerate(dataset)
            if is_blank(sample.value)
        ]
        if faults:
            raise ValidationError.from_exception_data(cls.__name__, faults, hide_input=True)
        return dataset

    @property
    def custom_ids(self) -> list[str | None] | None:
        """The caller's name of each sample. None if no sample has one."""
        custom_ids = [sample.custom_id for sample in self.dataset]
        return custom_ids if any(custom_id is not None for custom_id in custom_ids) else None

    @classmethod
    def blank_samples_pass(cls, on_error: str | None) -> bool:
        """Whether a blank sample gets an error of its own in place of failing the request."""
        return on_error == "null"


class ClassificationRequest(SamplesRequest):
    """The body of `POST /v1/classification`. Unknown fields are ignored. A field that is null counts as absent."""

    model_config = ConfigDict(json_schema_extra=require_labels_or_label_set)

    labels: Labels
    label_set: LabelSetName | None = Field(
        None,
        description="The name of a saved label set, in place of `labels`. Its options apply where the request has none.",
    )
    multiple_labels: MultipleLabels = False
    instruction: Instruction = None
    threshold: Threshold = None
    top_k: TopK = None
    prompt_templates: Templates = None


class LabelScore(HttpSchema):
    """How well a label fits a sample."""

    label: str
    probability: float = Field(description="Calibrated probability, from 0 to 1.")
    similarity: float = Field(
        description="Cosine similarity, from -1 to 1. For `not X` it is the negated similarity of X, and for `none of these` 0."
    )


class SampleFault(HttpSchema):
    """Why a sample has no prediction."""

    index: int = Field(description="The position of the sample, from 0.")
    custom_id: str | None = Field(default=None, description="Your own name for the sample, if it has one.")
    code: str
    message: str


CustomIds = Annotated[
    list[str | None],
    Field(description="The `custom_id` of each sample, null if it has none. Absent if no sample has one."),
]


class Usage(HttpSchema):
    """What a request cost."""

    input_tokens: int = Field(description="Text tokens and image patches that were submitted.")
    output_tokens: int = Field(description="Text tokens of the predictions.")
    inference_time_tokens: int = Field(description="Milliseconds of inference.")
    total_tokens: int = Field(description="The sum of the other three.")


class ClassificationResponse(HttpSchema):
    """The predictions, one per sample in the same order. Optional fields are present only if they apply."""

    success: Literal[True] = True
    log_id: str
    predictions: list[str | list[str] | None] = Field(
        description="null where `errors` says why, or where the best label is below the `threshold`."
    )
    custom_ids: CustomIds | None = None
    scores: list[list[LabelScore] | None] | None = None
    errors: list[SampleFault] | None = None
    warnings: list[str] | None = None
    label_set: LabelSetRef | None = None
    usage: Usage = Field(alias="_usage")

    @property
    def sample_count(self) -> int:
        """The number of samples."""
        return len(self.predictions)


class ErrorBody(HttpSchema):
    """The code of an error and its single faults."""

    code: str
    details: list[dict[str, str]] | None = Field(
        default=None, description="Each fault with its `path`: a field of the body, a parameter or a header."
    )


class ErrorResponse(HttpSchema):
    """The shape of every error, including those of the gateway."""

    success: Literal[False] = False
    message: str
    log_id: str
    error: ErrorBody


Request = TypeVar("Request", bound=ClassificationRequest)
Body = TypeVar("Body", bound=HttpInput)


class Asked(Protocol):
    """What a request and a question have in common."""

    @property
    def labels(self) -> list[Label]:
        """The labels."""
        ...

    @property
    def instruction(self) -> str | None:
        """The context of the prompts."""
        ...

    @property
    def prompt_templates(self) -> list[str] | None:
        """The templates of the prompts."""
        ...

    @property
    def multiple_labels(self) -> bool:
        """Whether a prediction is an array of labels."""
        ...

    @property
    def threshold(self) -> float | None:
        """The lowest probability at which a label is returned, None for the default."""
        ...

    @property
    def top_k(self) -> int | None:
        """The most labels of a prediction, None for all."""
        ...


def count_prompts(request: Asked) -> int:
    """Count the prompts of all label texts with one template each, or with the request's own templates."""
    texts = sum(label.type == "text" or bool(label.text) for label in request.labels)
    return texts * len(request.prompt_templates or ("{}",)) * (2 if request.instruction else 1)


def max_samples_by_results(request: ClassificationRequest, limits: RequestLimits) -> int:
    """Return how many samples a request with these labels and options may have, so that its results aren't too large."""
    return limits.max_result_bytes // max_result_bytes_per_sample(request, scores=request.scores)


def max_result_bytes_per_sample(asked: Asked, *, scores: bool) -> int:
    """Return the most bytes that the result of one sample can have as JSON, errors and warnings aside."""
    names = {label.name for label in asked.labels}
    sizes = sorted((len(json.dumps(name, ensure_ascii=False).encode()) for name in names), reverse=True)[: asked.top_k]
    prediction = sum(sizes) + len(sizes) if asked.multiple_labels else max(sizes)
    return prediction + (sum(sizes) + SCORE_BYTES * len(sizes) if scores else 0)


def check_result_size(samples: int, sample_bytes: int, limits: RequestLimits) -> tuple[Fault, ...]:
    """Return the fault of a request whose results can be too large.

    Args:
        samples: The number of its samples.
        sample_bytes: The most bytes that the result of one sample can have as JSON.
        limits: The limits that the request must meet.
    """
    most = limits.max_result_bytes // sample_bytes
    if samples <= most:
        return ()
    message = (
        f"with these labels, the results of at most {most} samples fit into {limits.max_result_bytes} bytes, got "
        f"{samples}: send fewer samples, give the labels a shorter `key`, or send neither `scores` nor `multiple_labels`"
    )
    return (Fault("dataset", message),)


def parse_request(
    request_type: type[Request],
    body: object,
    limits: RequestLimits,
    *,
    unsupported: Sequence[Fault] = (),
    faults: tuple[Fault, ...] = (),
) -> Request:
    """Validate a decoded JSON body as a request of some type.

    Args:
        request_type: The class of the request.
        body: The decoded JSON.
        limits: The limits that the request must meet.
        unsupported: A fault for each field that this deployment doesn't support.
        faults: The faults that are already known.

    Raises:
        InvalidRequest: The body has faults. The error lists all of them, each with its path.
    """
    request = parse_body(request_type, body, limits, unsupported=unsupported, faults=faults)
    sample_bytes = max_result_bytes_per_sample(request, scores=request.scores)
    if faults := check_result_size(len(request.dataset), sample_bytes, limits):
        raise invalid_request(faults)
    return request


def parse_body(
    body_type: type[Body],
    body: object,
    limits: RequestLimits,
    *,
    unsupported: Sequence[Fault] = (),
    faults: tuple[Fault, ...] = (),
) -> Body:
    """Validate a decoded JSON body that has labels, as `parse_request` does, but for the size of its results."""
    given = {name for name, value in body.items() if value is not None} if isinstance(body, dict) else set()
    faults += tuple(fault for fault in unsupported if fault.path in given)
    try:
        parsed = body_type.model_validate(body, context=limits)
    except ValidationError as error:
        faults += to_faults(error)
        # Where a label set is missing, the labels are missing only for that reason.
        unset = {fault.path.removesuffix("label_set") for fault in faults if fault.path.endswith("label_set")}
        faults = tuple(fault for fault in faults if fault not in {Fault(f"{path}labels", "is required") for path in unset})
        raise invalid_request(faults) from None
    if faults:
        raise invalid_request(faults)
    return parsed
