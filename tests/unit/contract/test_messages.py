"""Commands and replies arrive as they were sent, and anything else is refused."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from pigeonhole.contract.classification import ClassificationRequest, LabelScore, SampleFault
from pigeonhole.contract.commands import (
    COMMAND,
    ChunkResult,
    ClassifyCommand,
    ClassifyReply,
    DescribeCommand,
    ErrorReply,
    S3Grant,
)
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.errors import Fault, InternalError, UnreadableImage
from support.fakes import MODEL

REQUEST = ClassificationRequest.model_validate(
    {
        "dataset": [{"type": "text", "value": "ein „Satz“ 🐦"}],
        "labels": [{"key": 1, "type": "text", "value": "a"}, {"key": 2.5, "type": "image", "value": "s3://b/c", "text": "c"}],
        "multiple_labels": True,
        "task": "sort",
        "threshold": 0.25,
        "top_k": 1,
        "prompt_template": "about {}",
        "scores": True,
        "on_error": "null",
    }
)
GRANT = S3Grant(bucket="photos", prefix="acme/")


@pytest.mark.parametrize(
    "command",
    [
        ClassifyCommand(log_id="l", tenant_id="t", grants=(GRANT,), request=REQUEST),
        DescribeCommand(log_id="l"),
    ],
)
def test_a_command_arrives_as_it_was_sent(command: ClassifyCommand | DescribeCommand) -> None:
    sent = command.model_dump_json(exclude_none=True)

    assert COMMAND.validate_json(sent) == command
    assert COMMAND.validate_python(json.loads(sent)) == command


def test_a_command_is_validated_by_the_limits_of_its_deployment() -> None:
    samples = [{"type": "text", "value": "x"}] * 40
    request = {"dataset": samples, "labels": [{"type": "text", "value": name} for name in "ab"]}
    event = {"kind": "classify", "log_id": "l", "tenant_id": "t", "request": request}

    command = COMMAND.validate_python(event, context=RequestLimits(max_samples=40))

    assert isinstance(command, ClassifyCommand)
    assert len(command.request.dataset) == 40
    with pytest.raises(ValidationError):
        COMMAND.validate_python(event)


@pytest.mark.parametrize(
    "reply",
    [
        ClassifyReply(
            result=ChunkResult(
                predictions=[["a", "b"], None],
                scores=[[LabelScore(label="a", probability=0.75, similarity=-0.1)], None],
                errors=[SampleFault(index=1, code="unreadable_image", message="truncated")],
                warnings=["cut"],
                input_tokens=1,
                output_tokens=2,
                inference_ms=3,
            )
        ),
        ClassifyReply(model=MODEL),
        ClassifyReply(error=ErrorReply(code="too_large", message="m", details=[{"path": "dataset.0.value", "message": "m"}])),
    ],
)
def test_a_reply_arrives_as_it_was_sent(reply: ClassifyReply) -> None:
    assert ClassifyReply.model_validate_json(json.dumps(reply.model_dump(mode="json", exclude_none=True))) == reply


@pytest.mark.parametrize(
    "event",
    [
        {"kind": "describe", "log_id": "l", "version": 2},
        {"kind": "describe", "log_id": "l", "extra": 1},
        {"kind": "delete", "log_id": "l"},
        {"log_id": "l"},
    ],
)
def test_an_unknown_command_is_refused(event: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        COMMAND.validate_python(event)


@pytest.mark.parametrize("prefix", ["", "/", "/acme/", "acme", "acme/photos"])
def test_a_grant_is_for_a_folder_never_for_a_whole_bucket(prefix: str) -> None:
    with pytest.raises(ValidationError):
        S3Grant(bucket="photos", prefix=prefix)


def test_the_error_of_a_message_does_not_quote_it() -> None:
    event = {
        "kind": "classify",
        "log_id": "l",
        "tenant_id": "t",
        "request": {"dataset": "my secret text", "labels": ["secret"]},
    }

    with pytest.raises(ValidationError) as caught:
        COMMAND.validate_python(event)

    assert "secret" not in str(caught.value)


def test_an_error_arrives_as_it_was_raised() -> None:
    error = UnreadableImage("dataset.0.value: truncated", (Fault("dataset.0.value", "truncated"),))

    received = ErrorReply.model_validate_json(ErrorReply.from_error(error).model_dump_json()).to_error()

    assert isinstance(received, UnreadableImage)
    assert (received.message, received.details) == (error.message, error.details)


def test_a_reply_without_an_error_is_a_fault_of_the_service() -> None:
    assert isinstance(ClassifyReply().to_error(), InternalError)
