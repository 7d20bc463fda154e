"""The edits of the local stack: each changes the real template as its row says, and leaves the rest unchanged."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pigeonhole_cli.local import batch
from pigeonhole_cli.local import rewrites as local_rewrites
from pigeonhole_cli.local.rewrites import (
    REWRITES,
    LocalMachine,
    gateway_responses,
    gpu_definition,
    read_handler,
    rewrite,
    zip_folder,
)
from support.template import list_references, read_template

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def template() -> dict[str, Any]:
    return read_template()


@pytest.fixture
def archives() -> dict[str, bytes]:
    return {}


@pytest.fixture
def machine(archives: dict[str, bytes]) -> LocalMachine:
    def store(name: str, archive: bytes) -> str:
        archives[name] = archive
        return "code"

    return LocalMachine(ROOT, store, {"ClassifyFunction": {"PIGEONHOLE_ALLOW_LOOPBACK": "true"}})


def names_in(archive: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return opened.namelist()


def functions(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        name: item["Properties"] for name, item in template["Resources"].items() if item["Type"] == "AWS::Serverless::Function"
    }


@pytest.mark.parametrize("row", [row for row in REWRITES if row.edit], ids=lambda row: row.name)
def test_each_edit_changes_the_template(row: local_rewrites.Rewrite, template: dict[str, Any], machine: LocalMachine) -> None:
    before = copy.deepcopy(template)
    if row.edit is local_rewrites._upload_sources:  # this edit needs the result of the one before it
        local_rewrites._turn_images_into_zips(template, machine)

    assert row.edit is not None
    row.edit(template, machine)

    assert template != before


def test_each_row_has_a_name_and_a_reason_of_its_own() -> None:
    assert len({row.name for row in REWRITES}) == len({row.why for row in REWRITES}) == len(REWRITES)
    assert all(row.name and row.why for row in REWRITES)


def test_an_image_function_becomes_a_zip_function_of_its_dockerfiles_command(
    template: dict[str, Any], machine: LocalMachine
) -> None:
    rewrite(template, machine)

    classify = functions(template)["ClassifyFunction"]
    assert (classify["PackageType"], classify["Handler"]) == ("Zip", "handler.handler")
    assert classify["Layers"] == [{"Ref": "CoreLayer"}]
    assert "Metadata" not in template["Resources"]["ClassifyFunction"]


def test_code_is_the_sources_and_holds_no_packages(
    template: dict[str, Any], machine: LocalMachine, archives: dict[str, bytes]
) -> None:
    rewrite(template, machine)

    uri = functions(template)["ApiFunction"]["CodeUri"]
    layer = template["Resources"]["CoreLayer"]["Properties"]["ContentUri"]
    assert uri["Bucket"] == "code"
    assert names_in(archives[uri["Key"]]) == ["handler.py"]
    assert {"python/pigeonhole/errors.py", "python/pigeonhole/aws/dynamodb/table.py"} <= set(names_in(archives[layer["Key"]]))
    assert all(name.startswith("python/pigeonhole/") for name in names_in(archives[layer["Key"]]))


def test_an_archive_depends_only_on_the_sources(tmp_path: Path) -> None:
    (tmp_path / "handler.py").write_text("one")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__/handler.pyc").write_text("bytecode")
    first = zip_folder(tmp_path)
    (tmp_path / "handler.py").touch()

    assert zip_folder(tmp_path) == first
    assert names_in(first) == ["handler.py"]
    (tmp_path / "handler.py").write_text("two")
    assert zip_folder(tmp_path) != first


def test_a_route_for_any_becomes_one_per_method_that_is_not_declared(template: dict[str, Any], machine: LocalMachine) -> None:
    rewrite(template, machine)

    events = [event["Properties"] for event in functions(template)["ApiFunction"]["Events"].values()]
    routes = [(event["Path"], event["Method"]) for event in events]
    assert len(set(routes)) == len(routes)
    assert not any(method == "ANY" for _, method in routes)
    for path in {path for path, _ in routes}:
        assert {method for other, method in routes if other == path} == set(local_rewrites.VERBS)
    opened = {(event["Path"], event["Method"]) for event in events if event.get("Auth") == {"ApiKeyRequired": False}}
    assert {("/{proxy+}", "OPTIONS"), ("/v1/health", "OPTIONS"), ("/v1/health", "GET")} <= opened
    assert not opened & {("/v1/health", "POST"), ("/v1", "GET"), ("/{proxy+}", "GET")}


def test_no_alias_is_left(template: dict[str, Any], machine: LocalMachine) -> None:
    rewrite(template, machine)

    assert ".Alias" not in json.dumps(template)
    assert "AutoPublishAlias" not in json.dumps(template)
    assert "VersionDescription" not in json.dumps(template)
    api = functions(template)["ApiFunction"]["Environment"]["Variables"]
    assert api["PIGEONHOLE_CLASSIFY_FUNCTION"] == {"Fn::GetAtt": ["ClassifyFunction", "Arn"]}


def test_settings_are_added_only_to_their_function(template: dict[str, Any], machine: LocalMachine) -> None:
    rewrite(template, machine)

    api, classify = (functions(template)[name]["Environment"]["Variables"] for name in ("ApiFunction", "ClassifyFunction"))
    assert classify["PIGEONHOLE_ALLOW_LOOPBACK"] == "true"
    assert "PIGEONHOLE_ALLOW_LOOPBACK" not in api
    assert "PIGEONHOLE_TABLE_NAME" in api


def test_the_gateway_reads_the_api_key_without_an_authorizer(template: dict[str, Any], machine: LocalMachine) -> None:
    rewrite(template, machine)

    assert "Authorize" not in json.dumps(template)
    assert template["Resources"]["Api"]["Properties"]["Auth"] == {"ApiKeyRequired": True}
    assert "ApiKeySourceType" not in template["Resources"]["Api"]["Properties"]


def test_policies_and_parameters_do_not_change(template: dict[str, Any], machine: LocalMachine) -> None:
    before = copy.deepcopy(template)

    rewrite(template, machine)

    before["Parameters"]["ChunkVisibility"]["MinValue"] = 1  # a chunk whose worker died is redelivered after a minute
    assert template["Parameters"] == before["Parameters"]
    for name in ("ClassifyRole", "WebhooksRole", "UsagePlan", "ChunkQueue", "JobBucket", "Table"):
        assert template["Resources"][name] == before["Resources"][name]
    gpu = {name for name in before["Resources"] if name.startswith("Gpu")}
    assert set(before["Resources"]) - set(template["Resources"]) - gpu == {
        "AuthorizeFunction",
        "AuthorizeRole",
        "JobBucketPolicy",
        "UploadBucketPolicy",
    }


def test_gpu_workers_keep_their_role_and_what_follows_their_failure(template: dict[str, Any], machine: LocalMachine) -> None:
    before = copy.deepcopy(template)

    rewrite(template, machine)

    resources = template["Resources"]
    assert {name for name in resources if name.startswith("Gpu")} == {"GpuRole", "GpuLogs", "GpuFailures", "GpuFailuresPolicy"}
    assert not [name for name, item in resources.items() if item["Type"].startswith(("AWS::Batch", "AWS::EC2"))]
    assert resources["GpuRole"] == before["Resources"]["GpuRole"] | {"Properties": resources["GpuRole"]["Properties"]}
    assert resources["GpuFailures"]["Properties"]["EventPattern"]["detail"]["jobQueue"] == [batch.QUEUE]
    queue = functions(template)["PlanFunction"]["Environment"]["Variables"]["PIGEONHOLE_GPU_QUEUE"]
    assert queue == {"Fn::If": ["HasGpu", batch.QUEUE, ""]}
    assert not list_references(resources) & (set(before["Resources"]) - set(resources))


def test_the_local_gpu_workers_have_the_templates_definition(template: dict[str, Any]) -> None:
    names = {name: name.lower() for name in (*template["Resources"], *template["Parameters"], "AWS::Region", "AWS::StackName")}

    definition = gpu_definition(template, ROOT, names)

    properties = template["Resources"]["GpuDefinition"]["Properties"]
    assert definition.command == properties["ContainerProperties"]["Command"]
    assert (definition.attempts, definition.retry_codes) == (5, [75, 143])
    assert (definition.role, definition.folder) == ("gpurole", str(ROOT))
    assert definition.environment["PIGEONHOLE_TABLE_NAME"] == "table"
    assert definition.environment["POWERTOOLS_METRICS_NAMESPACE"] == "Pigeonhole/aws::stackname"


def test_every_function_logs_to_its_own_group(template: dict[str, Any], machine: LocalMachine) -> None:
    rewrite(template, machine)

    groups = [function["LoggingConfig"]["LogGroup"]["Ref"] for function in functions(template).values()]
    assert len(set(groups)) == len(groups)
    assert {template["Resources"][group]["Type"] for group in groups} == {"AWS::Logs::LogGroup"}


def test_an_image_function_that_became_a_zip_has_the_shared_settings(template: dict[str, Any], machine: LocalMachine) -> None:
    rewrite(template, machine)

    assert not any("IgnoreGlobals" in resource for resource in template["Resources"].values())


def test_an_image_function_with_a_command_of_its_own_becomes_that_functions_sources(
    template: dict[str, Any], machine: LocalMachine, archives: dict[str, bytes]
) -> None:
    rewrite(template, machine)

    worker = functions(template)["WorkerFunction"]
    assert (worker["PackageType"], worker["Handler"]) == ("Zip", "handler.handler")
    assert "ImageConfig" not in worker
    with zipfile.ZipFile(io.BytesIO(archives[worker["CodeUri"]["Key"]])) as opened:
        assert opened.read("handler.py") == (ROOT / "functions/worker/handler.py").read_bytes()


@pytest.mark.parametrize(("given", "number"), [({}, 10), ({"WorkerConcurrency": "3"}, 3)])
def test_the_concurrency_of_workers_is_a_number(
    template: dict[str, Any], machine: LocalMachine, given: dict[str, str], number: int
) -> None:
    rewrite(template, replace(machine, parameters=given))

    assert functions(template)["WorkerFunction"]["Events"]["Chunks"]["Properties"]["ScalingConfig"] == {
        "MaximumConcurrency": number
    }


def test_a_role_that_may_send_a_message_may_send_a_batch_and_nothing_else(
    template: dict[str, Any], machine: LocalMachine
) -> None:
    before = json.dumps(template["Resources"]["SweepRole"])
    rewrite(template, machine)

    assert json.dumps(template["Resources"]["SweepRole"]) == before.replace("sqs:SendMessage", "sqs:SendMessageBatch")


def test_gateway_responses_are_read_from_the_template(template: dict[str, Any]) -> None:
    responses = {response_type: (api, arguments) for api, response_type, arguments in gateway_responses(template)}

    api, throttled = responses["THROTTLED"]
    assert api == "Api"
    assert throttled["statusCode"] == "429"
    assert throttled["responseParameters"]["gatewayresponse.header.Retry-After"] == "'1'"
    assert set(responses) == set(template["Resources"]["Api"]["Properties"]["GatewayResponses"])


def test_the_last_command_of_a_dockerfile_names_the_handler(tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text('FROM one\nCMD ["first.handler"]\nFROM two\nCMD ["handler.handler"]\n')

    assert read_handler(dockerfile) == "handler.handler"


@pytest.mark.parametrize("lines", ["FROM one\n", 'CMD ["python", "handler.py"]\n', "CMD []\n", "CMD [1]\n"])
def test_a_command_that_names_no_handler_is_refused(tmp_path: Path, lines: str) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(lines)

    with pytest.raises(ValueError, match="must name the handler"):
        read_handler(dockerfile)
