"""What crosses an invocation of functions/classify: versioned, and validated by its receiver.

functions/api sends a command, and functions/classify returns a `ClassifyReply`. functions/worker runs commands in its process.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from pigeonhole.contract.classification import LabelScore, SampleFault
from pigeonhole.contract.questions import AnyRequest
from pigeonhole.errors import Fault, InternalError, PigeonholeError, from_code

VERSION: Final = 1
# Part of a reply, whose sender may be of another version: a field that this version doesn't know is ignored.
REPLY_CONFIG: Final = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class Message(BaseModel):
    """The base of what is versioned."""

    # An error never quotes the input, because errors are logged and the input holds samples and labels.
    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, json_schema_serialization_defaults_required=True
    )
    version: Literal[1] = VERSION


class S3Grant(BaseModel):
    """The objects that a tenant may read on S3.

    Attributes:
        bucket: The bucket.
        prefix: With what their object keys begin. It is never empty, and ends with a slash.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    bucket: Annotated[str, Field(min_length=3)]
    prefix: Annotated[str, Field(pattern=r"^[^/].*/$")]


class ClassifyCommand(Message):
    """Classify one request's samples. A request with questions is answered by one reading of each sample.

    Attributes:
        grants: What the tenant may name by `s3://`.
        versions: The version of the object that an `s3://` value means, where that isn't the newest.
        is_job: Whether the samples belong to a job. The images of a job may be larger together than those of a request.
        will_be_retried: Whether the caller sends the command again if S3 is too busy to give an image.
        first_index: The index of the first sample among those that the caller sent. Errors and warnings count from there.
    """

    kind: Literal["classify"] = "classify"
    log_id: str
    tenant_id: str
    grants: tuple[S3Grant, ...] = ()
    versions: dict[str, str] = {}
    is_job: bool = False
    will_be_retried: bool = False
    first_index: Annotated[int, Field(ge=0)] = 0
    request: AnyRequest


class DescribeCommand(Message):
    """Describe the loaded model."""

    kind: Literal["describe"] = "describe"
    log_id: str


class StoreLabelImagesCommand(Message):
    """Fetch the images of a label set, check that they can be read, and store them.

    Attributes:
        grants: What the tenant may name by `s3://`.
        values: The value of each image, as the caller sent it.
        paths: The path of each image in the body, for its fault.
    """

    kind: Literal["store_label_images"] = "store_label_images"
    log_id: str
    tenant_id: str
    label_set: str
    grants: tuple[S3Grant, ...] = ()
    values: Annotated[list[str], Field(min_length=1)]
    paths: list[str]


AnyCommand = ClassifyCommand | DescribeCommand | StoreLabelImagesCommand
Command = Annotated[AnyCommand, Field(discriminator="kind")]
COMMAND: TypeAdapter[AnyCommand] = TypeAdapter(Command, config=ConfigDict(hide_input_in_errors=True))


class ChunkResult(Message):
    """The results of samples, in their order.

    Attributes:
        predictions: The labels of each sample, best first. None where `errors` says why, empty if no label reaches the
            threshold.
        scores: The scores of each sample, if the request asked for them.
        errors: The faults of samples that couldn't be read.
        warnings: What the caller should know about the samples.
        input_tokens: Text tokens and image patches that were submitted.
        label_tokens: How many of the input tokens are those of labels and instruction.
        output_tokens: Text tokens of the predictions.
        inference_ms: Milliseconds from decoded input to scores.
    """

    model_config = REPLY_CONFIG
    predictions: list[list[str] | None]
    scores: list[list[LabelScore] | None] | None = None
    errors: list[SampleFault] = []
    warnings: list[str] = []
    input_tokens: int
    label_tokens: int = 0
    output_tokens: int
    inference_ms: int


class ModelDescription(Message):
    """A deployed model.

    Attributes:
        revision: Identifies its weights.
        engine: The library that runs it, and the precision if it isn't float32.
        text_encoder: What compares a text with a text.
        calibrated: Whether there is a calibration for this revision.
        input_pixels: The side of the square to which an image is resized.
        max_text_tokens: The number of tokens that `text_encoder` reads at once. A longer text is read in windows.
    """

    model_id: str
    revision: str
    engine: str
    text_encoder: str
    licence: str
    calibrated: bool
    input_pixels: int
    max_text_tokens: int


class ErrorReply(BaseModel):
    """An error of errors.py on its way between functions."""

    model_config = REPLY_CONFIG
    code: str
    message: str
    details: list[dict[str, str]] = []

    @classmethod
    def from_error(cls, error: PigeonholeError) -> ErrorReply:
        """Convert an error that was raised here."""
        details = [{"path": fault.path, "message": fault.message} for fault in error.details]
        return cls(code=error.code, message=error.message, details=details)

    def to_error(self) -> PigeonholeError:
        """Return the error as the sender raised it."""
        details = tuple(Fault(detail.get("path", ""), detail.get("message", "")) for detail in self.details)
        return from_code(self.code, self.message, details)


class ClassifyReply(Message):
    """What functions/classify returns: one of `result`, `answers`, `model`, `stored` and `error`.

    Attributes:
        result: The answer to a ClassifyCommand whose request has labels.
        answers: The answer to a ClassifyCommand whose request has questions: a result for each question, in order.
        model: The answer to a DescribeCommand. With `answers`, the model that gave them.
        stored: The answer to a StoreLabelImagesCommand: the address of each stored image, in order.
        error: Why the command failed.
    """

    result: ChunkResult | None = None
    answers: list[ChunkResult] | None = None
    model: ModelDescription | None = None
    stored: list[str] | None = None
    error: ErrorReply | None = None

    @property
    def results(self) -> list[ChunkResult] | None:
        """The result of each question, of which a request with labels is one. None if the reply isn't to a ClassifyCommand."""
        return self.answers if self.result is None else [self.result]

    def to_error(self) -> PigeonholeError:
        """Return the error as functions/classify raised it. A reply without one is a fault of the service."""
        return self.error.to_error() if self.error else InternalError()
