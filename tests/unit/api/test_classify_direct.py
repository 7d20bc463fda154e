"""A synchronous request: what the classifier is asked, and how its reply is shaped."""

from __future__ import annotations

from typing import Any

import pytest

from pigeonhole.api.classify import DirectClassifier
from pigeonhole.contract.classification import ClassificationResponse, LabelScore, SampleFault, parse_request
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.messages import ChunkResult, ClassifyCommand, ClassifyReply, S3Grant
from pigeonhole.errors import Fault, InternalError, Overloaded, TimedOut, UnreadableImage
from pigeonhole.tenants.tenant import Tenant
from support.fakes import FakeClassifierClient, error_reply

BODY = {
    "dataset": [{"type": "text", "value": "a"}, {"type": "text", "value": "b"}],
    "labels": [{"key": "yes", "type": "text", "value": "good"}, {"type": "text", "value": "bad"}],
}
SCORES = [LabelScore(label="yes", probability=0.75, similarity=0.5), LabelScore(label="bad", probability=0.25, similarity=0.1)]
GRANT = S3Grant(bucket="photos", prefix="acme/")
TENANT = Tenant("acme", created_at=0, grants=(GRANT,))


def result(**changes: Any) -> ClassifyReply:
    least = {"predictions": [["yes"], ["bad", "yes"]], "input_tokens": 69, "output_tokens": 14, "inference_ms": 3942}
    return ClassifyReply(result=ChunkResult.model_validate(least | changes))


def classify(reply: ClassifyReply | Exception | None, **options: Any) -> ClassificationResponse:
    request = parse_request(BODY | options, RequestLimits())
    return DirectClassifier(classifier=FakeClassifierClient(reply)).classify(request, tenant=TENANT, log_id="log-1")


def shown(answer: ClassificationResponse) -> dict[str, Any]:
    return answer.model_dump(by_alias=True, exclude_none=True)


def test_the_classifier_is_asked_once_with_the_request_and_what_the_tenant_may_read() -> None:
    client = FakeClassifierClient()

    DirectClassifier(classifier=client).classify(parse_request(BODY, RequestLimits()), tenant=TENANT, log_id="log-1")

    (command,) = client.commands
    assert isinstance(command, ClassifyCommand)
    assert (command.log_id, command.tenant_id) == ("log-1", "acme")
    assert command.grants == (GRANT,)
    assert [label.name for label in command.request.labels] == ["yes", "bad"]


def test_an_answer_has_one_string_per_sample_and_the_usage_of_the_reference() -> None:
    assert shown(classify(result())) == {
        "success": True,
        "log_id": "log-1",
        "predictions": ["yes", "bad"],
        "_usage": {"input_tokens": 69, "output_tokens": 14, "inference_time_tokens": 3942, "total_tokens": 4025},
    }


def test_with_multiple_labels_there_is_an_array_per_sample() -> None:
    assert classify(result(), multiple_labels=True).predictions == [["yes"], ["bad", "yes"]]


def test_scores_come_if_they_were_asked_for() -> None:
    reply = result(scores=[SCORES, SCORES])

    assert classify(reply, scores=True).scores == [SCORES, SCORES]
    assert "scores" not in shown(classify(reply))


def test_with_on_error_null_a_sample_that_cannot_be_read_is_null_and_among_the_errors() -> None:
    fault = SampleFault(index=0, code="unreadable_image", message="truncated")
    answer = shown(classify(result(predictions=[None, ["bad"]], errors=[fault]), on_error="null", multiple_labels=True))

    assert answer["predictions"] == [None, ["bad"]]
    assert answer["errors"] == [{"index": 0, "code": "unreadable_image", "message": "truncated"}]


def test_with_on_error_null_there_is_a_list_of_errors_even_if_it_is_empty() -> None:
    assert shown(classify(result(), on_error="null"))["errors"] == []
    assert "errors" not in shown(classify(result(), on_error="fail"))


def test_a_warning_comes_unasked() -> None:
    assert shown(classify(result(warnings=["dataset.0.value: cut"])))["warnings"] == ["dataset.0.value: cut"]


def test_an_error_of_the_classifier_is_raised_here_as_it_was_there() -> None:
    detail = {"path": "dataset.0.value", "message": "truncated"}

    with pytest.raises(UnreadableImage, match="truncated") as caught:
        classify(error_reply("unreadable_image", "dataset.0.value: truncated", detail))

    assert caught.value.details == (Fault("dataset.0.value", "truncated"),)


@pytest.mark.parametrize("reply", [ClassifyReply(), error_reply("internal_error", "secret"), error_reply("news", "secret")])
def test_an_empty_reply_and_an_unknown_error_are_internal(reply: ClassifyReply) -> None:
    with pytest.raises(InternalError) as caught:
        classify(reply)

    assert "secret" not in caught.value.message


@pytest.mark.parametrize("error", [TimedOut("t"), Overloaded("o"), InternalError()])
def test_what_the_client_raises_passes(error: Exception) -> None:
    with pytest.raises(type(error)):
        classify(error)
