"""functions/classify runs a command and returns a reply, whatever happens."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from pigeonhole.contract.classification import ClassificationRequest
from pigeonhole.contract.commands import (
    ChunkResult,
    ClassifyCommand,
    ClassifyReply,
    DescribeCommand,
    ModelDescription,
    StoreLabelImagesCommand,
)
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.errors import Fault, UnreadableImage
from pigeonhole.inference.encoders import registry
from pigeonhole.inference.images import decode_pool
from pigeonhole.observability import observer
from pigeonhole.settings import Settings
from pigeonhole.wiring import inference
from support.api_calls import Api, api_with_fakes
from support.fake_encoder import COLOURS
from support.fake_model import fake_loaded_model
from support.fakes import MODEL, LambdaContext, first_is_likely, first_label, kept_address
from support.handlers import EVENT, load
from support.job_fixtures import FakePipeline

REQUEST = {
    "dataset": [{"type": "text", "value": "a secret text"}],
    "labels": [{"type": "text", "value": "secret one"}, {"type": "text", "value": "secret two"}],
}
CLASSIFY = {"version": 1, "kind": "classify", "log_id": "log-1", "tenant_id": "acme", "request": REQUEST}
ASK = CLASSIFY | {"request": {"dataset": REQUEST["dataset"], "questions": {"which": {"labels": REQUEST["labels"]}}}}
DESCRIBE = {"version": 1, "kind": "describe", "log_id": "log-1"}


class FakeClassifyPipeline(FakePipeline):
    """An InferencePipeline that runs a function and describes a fixed model."""

    def describe(self) -> ModelDescription:
        return MODEL


def answer(command: ClassifyCommand) -> ChunkResult | list[ChunkResult]:
    request = command.request
    if isinstance(request, ClassificationRequest):
        return first_label(command)
    return [first_is_likely(question) for question in request.questions.values()]


class FakeLabelImages:
    """A LabelImageStore that stores no images."""

    def store(self, command: StoreLabelImagesCommand) -> list[str]:
        return [kept_address(command, value) for value in command.values]


class Function:
    """The handler of functions/classify over fake services."""

    def __init__(self, module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log = io.StringIO()
        self.services = inference.ClassifyServices(
            limits=RequestLimits(),
            pipeline=FakeClassifyPipeline(answer),  # type: ignore[arg-type]
            label_images=FakeLabelImages(),  # type: ignore[arg-type]
        )
        self.module = module
        monkeypatch.setattr(module, "services", lambda: self.services)
        monkeypatch.setattr(observer("classify").logger.registered_handler, "stream", self.log)

    def fail_with(self, error: Exception) -> None:
        def fail(command: ClassifyCommand) -> ChunkResult:
            raise error

        self.services = replace(self.services, pipeline=FakeClassifyPipeline(fail))  # type: ignore[arg-type]

    def send(self, event: dict[str, Any]) -> ClassifyReply:
        answer = self.module.handler(json.loads(json.dumps(event)), LambdaContext())
        return ClassifyReply.model_validate_json(json.dumps(answer))


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> Function:
    return Function(load("classify"), monkeypatch)


def test_a_classify_command_returns_a_result(function: Function) -> None:
    reply = function.send(CLASSIFY)

    assert reply.result
    assert reply.result.predictions == [["secret one"]]
    assert (reply.model, reply.error) == (None, None)


def test_a_describe_command_returns_the_model(function: Function) -> None:
    assert function.send(DESCRIBE) == ClassifyReply(model=MODEL)


def test_an_ask_command_returns_the_answers_and_the_model_that_gave_them(function: Function) -> None:
    reply = function.send(ASK)

    assert [answer.predictions for answer in reply.answers or []] == [[["secret one"]]]
    assert reply.model == MODEL


def test_an_unreadable_sample_is_an_error_with_its_path(function: Function) -> None:
    function.fail_with(UnreadableImage("dataset.0.value: truncated", (Fault("dataset.0.value", "truncated"),)))
    error = function.send(CLASSIFY).error

    assert error
    assert (error.code, error.message) == ("unreadable_image", "dataset.0.value: truncated")
    assert error.details == [{"path": "dataset.0.value", "message": "truncated"}]


def test_the_log_has_the_stack_of_an_unexpected_error_but_not_its_message(function: Function) -> None:
    try:
        raise KeyError("secret text")
    except KeyError as cause:
        error = RuntimeError("no 'secret text'")
        error.__cause__ = cause
    function.fail_with(error)
    reply_error = function.send(CLASSIFY).error

    assert reply_error
    assert reply_error.code == "internal_error"
    assert "secret" not in reply_error.message + function.log.getvalue()
    (trace,) = [line["trace"] for line in map(json.loads, function.log.getvalue().splitlines()) if "trace" in line]
    assert [line for line in trace if ":" not in line] == ["RuntimeError", "KeyError"]
    assert any(line.startswith(__file__) for line in trace)


@pytest.mark.parametrize(
    "event", [{}, CLASSIFY | {"version": 2}, CLASSIFY | {"request": {"dataset": "secret"}}, {"kind": "stop"}]
)
def test_an_invalid_command_is_an_internal_error(function: Function, event: dict[str, Any]) -> None:
    error = function.send(event).error

    assert error
    assert error.code == "internal_error"


def test_the_limits_are_those_of_the_deployment(function: Function) -> None:
    request = REQUEST | {"dataset": REQUEST["dataset"] * 40}
    function.services = replace(function.services, limits=RequestLimits(max_samples=40))

    assert function.send(CLASSIFY | {"request": request}).result


def test_no_content_of_a_command_is_logged_or_measured(function: Function, capsys: pytest.CaptureFixture[str]) -> None:
    function.send(CLASSIFY)
    function.send(CLASSIFY | {"request": {"dataset": ["secret"], "labels": "secret"}})
    function.fail_with(UnreadableImage("secret.example.com: truncated"))
    function.send(CLASSIFY)

    everything = function.log.getvalue() + capsys.readouterr().out
    assert "samples" in everything
    assert "secret" not in everything


def test_the_log_has_the_callers_log_id(function: Function) -> None:
    function.send(CLASSIFY)

    assert [json.loads(line)["correlation_id"] for line in function.log.getvalue().splitlines()] == ["log-1"]


def test_the_first_command_loads_the_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("loaded while the function starts")

    with monkeypatch.context() as starting:
        starting.setattr(registry, "load", fail)
        module = load("classify")
    monkeypatch.setattr(module, "settings", lambda: Settings(model_dir=str(tmp_path / "nothing")))

    log = io.StringIO()
    monkeypatch.setattr(observer("classify").logger.registered_handler, "stream", log)
    answer = module.handler(DESCRIBE, LambdaContext())

    assert answer["error"]["code"] == "internal_error"
    assert str(tmp_path / "nothing") in log.getvalue(), "the log says which model is missing"


@dataclass
class InProcessClassifier:
    """Calls the classify function in this process, through JSON as Lambda does."""

    function: Function

    def call(self, command: ClassifyCommand | DescribeCommand) -> ClassifyReply:
        return self.function.send(json.loads(command.model_dump_json(exclude_none=True)))


def photo(colour: str) -> str:
    file = io.BytesIO()
    Image.new("RGB", (32, 24), COLOURS[colour]).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch, function: Function) -> Api:
    """Return functions/api with functions/classify behind it, which fetches and decodes images for the fake encoder."""
    model = fake_loaded_model()
    monkeypatch.setattr(registry, "load", lambda folder, **options: model)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    inference.classify_services.cache_clear()
    function.services = inference.classify_services(Settings())
    api = api_with_fakes(monkeypatch)
    api.classifier = InProcessClassifier(function)
    return api


def entries(*values: str) -> list[dict[str, str]]:
    return [{"type": "image" if value.startswith("data:") else "text", "value": value} for value in values]


@pytest.mark.parametrize(
    ("dataset", "labels", "options", "predictions"),
    [
        (["the red car", "a blue sea"], ["red", "blue"], {}, ["red", "blue"]),
        ([photo("red"), photo("green")], ["red", "green", "blue"], {}, ["red", "green"]),
        ([photo("blue")], ["red", photo("blue")], {}, [photo("blue")]),
        ([photo("red")], ["red", "blue"], {"multiple_labels": True, "threshold": 0.0, "top_k": 1}, [["red"]]),
        ([photo("red"), "data:image/png;base64,AAAA"], ["red", "blue"], {"on_error": "null"}, ["red", None]),
    ],
)
def test_a_request_passes_through_both_functions(
    both: Api, dataset: list[str], labels: list[str], options: dict[str, Any], predictions: list[Any]
) -> None:
    body = {"dataset": entries(*dataset), "labels": entries(*labels), **options}
    answer = both.send(EVENT | {"body": json.dumps(body)})

    assert answer.status == 200
    assert answer.json["predictions"] == predictions


def test_a_sample_that_is_no_image_is_400_with_its_path(both: Api) -> None:
    body = {"dataset": entries(photo("red"), "data:text/plain,x"), "labels": entries("red", "blue")}
    answer = both.send(EVENT | {"body": json.dumps(body)})

    assert (answer.status, answer.code) == (400, "unsupported_media")
    assert [detail["path"] for detail in answer.json["error"]["details"]] == ["dataset.1.value"]


@pytest.mark.parametrize(("initialization", "loads"), [("provisioned-concurrency", 1), ("on-demand", 0)])
def test_an_environment_that_is_started_ahead_loads_the_model_at_its_start(
    monkeypatch: pytest.MonkeyPatch, initialization: str, loads: int
) -> None:
    """Provisioned concurrency would otherwise keep environments whose first call is as slow as any other first call."""
    loaded: list[Settings] = []
    monkeypatch.setattr(inference, "classify_services", loaded.append)
    monkeypatch.setattr(decode_pool, "start_ahead", lambda: None)
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", initialization)

    load("classify")

    assert len(loaded) == loads
