"""The composition root gives each function what its settings say."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pigeonhole import wiring
from pigeonhole.contract.jobs import Preference
from pigeonhole.contract.messages import COMMAND, ClassifyCommand
from pigeonhole.errors import ForbiddenUrl, InvalidRequest, NotFound, PigeonholeError, TimedOut
from pigeonhole.inference.encoders import registry
from pigeonhole.inference.encoders.artifact import ModelUnavailable
from pigeonhole.settings import MissingSetting, Settings, variable_name
from pigeonhole.tenants.tenant import Tenant
from pigeonhole.wiring.inference import encode_workers
from support.fake_model import fake_loaded_model
from support.fakes import error_reply
from support.lambda_server import LambdaServer
from support.template import read_template

BODY = {"dataset": [{"type": "text", "value": "x"}], "labels": [{"type": "text", "value": name} for name in "ab"]}
TENANT = Tenant("acme", created_at=0)
API_SETTINGS = Settings(table_name="t", classify_function="f", job_bucket="jobs", job_queue="q", upload_bucket="uploads")
# A function's resource in template.yaml, what builds its services, and the settings that it can't do without.
BUILDERS: list[tuple[str, Callable[[Settings], object], set[str]]] = [
    ("ApiFunction", wiring.api_services, {"table_name", "classify_function", "job_bucket", "job_queue", "upload_bucket"}),
    ("ClassifyFunction", wiring.classify_services, set()),
    ("WorkerFunction", wiring.chunk_worker, {"table_name", "job_bucket", "job_queue", "upload_bucket"}),
    ("WorkerFunction", wiring.chunk_queue, {"job_queue"}),
    ("DeadLettersFunction", wiring.dead_letter_handler, {"table_name", "job_bucket"}),
    ("SweepFunction", wiring.job_sweeper, {"table_name", "job_queue", "webhook_queue"}),
    ("NotifyFunction", wiring.job_end_notifier, {"table_name", "job_bucket", "upload_bucket", "webhook_queue"}),
    (
        "IngestFunction",
        wiring.ingest_services,
        {"table_name", "job_bucket", "job_queue", "upload_bucket", "ingest_queue"},
    ),
    ("WebhooksFunction", wiring.webhook_deliverer, {"table_name"}),
]


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    wiring.api_services.cache_clear()
    wiring.classify_services.cache_clear()


def classify(server: LambdaServer, monkeypatch: pytest.MonkeyPatch, **settings: object) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", server.url)
    services = wiring.api_services(replace(API_SETTINGS, **settings))  # type: ignore[arg-type]
    services.classification.classify(BODY, tenant=TENANT, log_id="l", preference=Preference())


def test_a_classification_is_never_asked_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    with LambdaServer(status=500, headers={"x-amzn-ErrorType": "ServiceException"}) as server:
        with pytest.raises(PigeonholeError):
            classify(server, monkeypatch)

        assert len(server.invocations) == 1


def test_a_classification_is_waited_for_as_long_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    with LambdaServer(body=None) as server:
        started = time.monotonic()
        with pytest.raises(TimedOut):
            classify(server, monkeypatch, invoke_timeout_s=0.3)

        assert len(server.invocations) == 1
    assert time.monotonic() - started < 10


def test_the_limits_of_the_settings_are_those_of_the_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    reply = error_reply("internal_error", "")
    with LambdaServer(body=reply.model_dump_json(exclude_none=True).encode()) as server:
        with pytest.raises(InvalidRequest, match="at most 1 labels"):
            classify(server, monkeypatch, max_labels=1)

        assert server.invocations == []


def test_a_period_that_no_usage_plan_has_is_refused() -> None:
    with pytest.raises(ValueError, match="YEAR"):
        wiring.api_services(replace(API_SETTINGS, quota_period="YEAR"))


def test_links_are_signed_for_the_buckets_own_region() -> None:
    """The host of all regions answers with a redirect, which such a signature does not cover."""
    objects = wiring.api_services(API_SETTINGS).job_reader.objects

    link = objects.link("results/acme/1.json", 60)

    assert link.startswith("https://jobs.s3.eu-west-1.amazonaws.com/results/acme/1.json?")
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in link


def test_services_are_built_once() -> None:
    assert wiring.api_services(API_SETTINGS) is wiring.api_services(replace(API_SETTINGS))


@pytest.fixture
def fake_model(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    loaded: list[Path] = []

    def load(folder: Path, *, threads: int) -> registry.LoadedModel:
        loaded.append(folder)
        return fake_loaded_model()

    monkeypatch.setattr(registry, "load", load)
    return loaded


@pytest.mark.parametrize(("resource", "build", "required"), BUILDERS)
def test_a_function_needs_only_settings_that_the_template_gives_it(
    resource: str, build: Callable[[Settings], object], required: set[str], fake_model: list[Path]
) -> None:
    function = read_template()["Resources"][resource]["Properties"]
    given = {name for name in vars(Settings()) if variable_name(name) in function["Environment"]["Variables"]}
    settings = replace(Settings(), **{name: "x" for name in given if getattr(Settings(), name) == ""})

    build(settings)
    for name in required:
        with pytest.raises(MissingSetting, match=variable_name(name)):
            build(replace(settings, **{name: ""}))


def test_the_classifier_runs_the_model_of_the_settings(fake_model: list[Path]) -> None:
    described = wiring.classify_services(Settings(model_dir="/models/here")).pipeline.describe()

    assert fake_model == [Path("/models/here")]
    assert (described.model_id, described.text_encoder, described.calibrated) == ("fake", "fake-text", False)


def test_the_classifier_holds_callers_urls_to_the_settings(fake_model: list[Path]) -> None:
    def ask(**settings: bool) -> None:
        photo = {"type": "image", "value": "http://127.0.0.1/photo.jpg"}
        event = {"kind": "classify", "log_id": "l", "tenant_id": "t", "request": BODY | {"dataset": [photo]}}
        command = COMMAND.validate_python(event)
        assert isinstance(command, ClassifyCommand)
        wiring.classify_services(Settings(**settings)).pipeline.classify(command)

    with pytest.raises(ForbiddenUrl, match="scheme"):
        ask()
    with pytest.raises(ForbiddenUrl, match="public"):
        ask(allow_http=True)


@pytest.mark.parametrize(("memory_mb", "workers"), [(None, 2), ("512", 1), ("3537", 1), ("3538", 2), ("4096", 2), ("10240", 2)])
def test_no_more_workers_encode_than_the_functions_memory_has_cores(memory_mb: str | None, workers: int) -> None:
    environ = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": memory_mb} if memory_mb else {}

    assert encode_workers(Settings(), environ) == workers


def test_a_model_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable):
        wiring.classify_services(Settings(model_dir=str(tmp_path / "nothing")))


def test_the_keys_of_a_stack_that_is_not_there_are_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"""<ErrorResponse><Error><Code>ValidationError</Code><Message>Stack with id x does not exist</Message></Error>
        </ErrorResponse>"""
    with LambdaServer(status=400, body=body) as server, pytest.raises(NotFound, match="no stack 'x' in eu-west-1"):
        wiring.api_key_manager("x", server.url)


def test_a_stack_of_another_template_is_told_from_ours() -> None:
    body = b"""<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>x</StackName><Outputs><member>
        <OutputKey>TableName</OutputKey><OutputValue>t</OutputValue></member></Outputs></member></Stacks></DescribeStacksResult>
        </DescribeStacksResponse>"""
    with LambdaServer(body=body) as server:
        with pytest.raises(NotFound, match="no output UsagePlanId"):
            wiring.api_key_manager("x", server.url)
        with pytest.raises(NotFound, match="no output JobBucketName or ChunkQueueUrl"):
            wiring.job_redriver("x", server.url)
