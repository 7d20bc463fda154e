"""Fakes of functions/classify."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from pigeonhole.contract.classification import ClassificationRequest, LabelScore
from pigeonhole.contract.commands import (
    AnyCommand,
    ChunkResult,
    ClassifyCommand,
    ClassifyReply,
    DescribeCommand,
    ErrorReply,
    ModelDescription,
    StoreLabelImagesCommand,
)
from pigeonhole.contract.questions import Question
from pigeonhole.object_keys import label_image_key

MODEL = ModelDescription(
    model_id="fake",
    revision="r1",
    engine="fake",
    text_encoder="fake-text",
    licence="Apache-2.0",
    calibrated=True,
    input_pixels=64,
    max_text_tokens=77,
)


@dataclass
class FakeClassifierClient:
    """A ClassifierClient that answers each sample with the request's first label.

    Attributes:
        reply: What each call returns or raises instead.
        commands: The commands of all calls.
    """

    reply: ClassifyReply | Exception | None = None
    commands: list[AnyCommand] = field(default_factory=list)

    def call(self, command: AnyCommand) -> ClassifyReply:
        self.commands.append(command)
        if isinstance(self.reply, Exception):
            raise self.reply
        if self.reply:
            return self.reply
        if isinstance(command, DescribeCommand):
            return ClassifyReply(model=MODEL)
        if isinstance(command, StoreLabelImagesCommand):
            return ClassifyReply(stored=[kept_address(command, value) for value in command.values])
        if isinstance(command.request, ClassificationRequest):
            return ClassifyReply(result=first_label(command))
        return ClassifyReply(answers=[first_is_likely(asked) for asked in command.request.questions.values()], model=MODEL)


def kept_address(command: StoreLabelImagesCommand, value: str) -> str:
    """Return the address at which the fake stores a label's image."""
    digest = hashlib.sha256(value.encode()).hexdigest()
    return f"s3://jobs/{label_image_key(command.tenant_id, command.label_set, digest)}"


def first_label(command: ClassifyCommand) -> ChunkResult:
    """Return the fake's result: the request's first label for each sample."""
    request = command.request
    assert isinstance(request, ClassificationRequest)
    return ChunkResult(
        predictions=[[request.labels[0].name] for _ in request.dataset], input_tokens=69, output_tokens=14, inference_ms=3942
    )


def first_is_likely(question: Question) -> ChunkResult:
    """Return the fake's result of a question about one sample: the first label is as probable as all others together."""
    names = list(dict.fromkeys(label.name for label in question.labels))
    shares = [0.5, *[0.5 / (len(names) - 1)] * (len(names) - 1)]
    scores = [LabelScore(label=name, probability=share, similarity=0) for name, share in zip(names, shares, strict=True)]
    tokens = {"input_tokens": 10, "label_tokens": 4, "output_tokens": 1, "inference_ms": 5}
    return ChunkResult(predictions=[[names[0]]], scores=[scores], **tokens)


def error_reply(code: str, message: str, *details: dict[str, str]) -> ClassifyReply:
    """Return a reply with an error."""
    return ClassifyReply(error=ErrorReply(code=code, message=message, details=list(details)))
