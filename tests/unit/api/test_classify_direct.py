"""A request that is classified directly: the command that the classifier gets, and what its reply becomes."""

from __future__ import annotations

import pytest

from pigeonhole.api.classify import DirectClassifier
from pigeonhole.contract.classification import ClassificationRequest, ClassificationResponse, SampleFault, parse_request
from pigeonhole.contract.commands import ChunkResult, ClassifyCommand, ClassifyReply, S3Grant
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.errors import Fault, InternalError, Overloaded, TimedOut, UnreadableImage
from pigeonhole.tenants.tenant import Tenant
from support.fakes import FakeClassifierClient, error_reply

BODY = {
    "dataset": [{"type": "text", "value": "a"}, {"type": "text", "value": "b"}],
    "labels": [{"key": "yes", "type": "text", "value": "good"}, {"type": "text", "value": "bad"}],
}
GRANT = S3Grant(bucket="photos", prefix="acme/")
TENANT = Tenant("acme", created_at=0, grants=(GRANT,))


def classify(reply: ClassifyReply | Exception) -> ClassificationResponse:
    request = parse_request(ClassificationRequest, BODY, RequestLimits())
    return DirectClassifier(classifier=FakeClassifierClient(reply)).classify(request, tenant=TENANT, log_id="log-1")


def test_the_classifier_gets_one_command_with_the_request_and_the_tenants_grants() -> None:
    client = FakeClassifierClient()

    DirectClassifier(classifier=client).classify(
        parse_request(ClassificationRequest, BODY, RequestLimits()), tenant=TENANT, log_id="log-1"
    )

    (command,) = client.commands
    assert isinstance(command, ClassifyCommand)
    assert (command.log_id, command.tenant_id) == ("log-1", "acme")
    assert command.grants == (GRANT,)
    assert [label.name for label in command.request.labels] == ["yes", "bad"]


def test_the_answer_has_one_string_per_sample_and_the_usage_of_the_reference() -> None:
    result = ChunkResult(predictions=[["yes"], ["bad", "yes"]], input_tokens=69, output_tokens=14, inference_ms=3942)

    assert classify(ClassifyReply(result=result)).model_dump(by_alias=True, exclude_none=True) == {
        "success": True,
        "log_id": "log-1",
        "predictions": ["yes", "bad"],
        "_usage": {"input_tokens": 69, "output_tokens": 14, "inference_time_tokens": 3942, "total_tokens": 4025},
    }


def test_an_error_of_the_classifier_is_raised_with_its_details() -> None:
    detail = {"path": "dataset.0.value", "message": "truncated"}

    with pytest.raises(UnreadableImage, match="truncated") as caught:
        classify(error_reply("unreadable_image", "dataset.0.value: truncated", detail))

    assert caught.value.details == (Fault("dataset.0.value", "truncated"),)


@pytest.mark.parametrize("reply", [ClassifyReply(), error_reply("internal_error", "secret"), error_reply("news", "secret")])
def test_an_empty_reply_and_an_unknown_error_are_internal_errors(reply: ClassifyReply) -> None:
    with pytest.raises(InternalError) as caught:
        classify(reply)

    assert "secret" not in caught.value.message


@pytest.mark.parametrize("error", [TimedOut("t"), Overloaded("o"), InternalError()])
def test_errors_of_the_client_pass_through(error: Exception) -> None:
    with pytest.raises(type(error)):
        classify(error)


def test_the_answer_repeats_the_callers_names_of_samples() -> None:
    named = [
        {"type": "text", "value": "a", "custom_id": "first"},
        {"type": "text", "value": ""},
        {"type": "text", "value": "c"},
    ]
    request = parse_request(ClassificationRequest, BODY | {"dataset": named, "on_error": "null"}, RequestLimits())
    fault = SampleFault(index=0, code="unreadable_image", message="truncated")
    result = ChunkResult(predictions=[None, ["bad"], ["yes"]], errors=[fault], input_tokens=1, output_tokens=1, inference_ms=1)

    response = DirectClassifier(classifier=FakeClassifierClient(ClassifyReply(result=result))).classify(
        request, tenant=TENANT, log_id="log-1"
    )

    assert response.custom_ids == ["first", None, None]
    assert [error.custom_id for error in response.errors or ()] == ["first"]
