"""Every difference between the local stack and AWS, with its reason. `pigeonhole up --explain` prints the table REWRITES.

A row with an `edit` changes the parsed template in place. The other rows describe what ministack or this package does.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pigeonhole_cli.local import batch

Template = dict[str, Any]
CORE = "layers/core/pigeonhole"
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
FUNCTION, LAYER, API = "AWS::Serverless::Function", "AWS::Serverless::LayerVersion", "AWS::Serverless::Api"


@dataclass(frozen=True)
class LocalMachine:
    """What the edits need from this machine.

    Attributes:
        root: The repository's root.
        store: Stores a zip archive, given its name and bytes, in a bucket of the stack, and returns the bucket's name.
        settings: The environment variables that the local stack adds to each function, by the function's logical id.
        parameters: The template's parameters that differ from their defaults.
    """

    root: Path
    store: Callable[[str, bytes], str]
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Rewrite:
    """One difference from AWS.

    Attributes:
        name: The difference.
        why: The reason for it.
        edit: Changes the template. None if the template doesn't change.
    """

    name: str
    why: str
    edit: Callable[[Template, LocalMachine], None] | None = None


def rewrite(template: Template, machine: LocalMachine) -> None:
    """Apply the edits of all rows, in the table's order."""
    for row in REWRITES:
        if row.edit is not None:
            row.edit(template, machine)


def gateway_responses(template: Template) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the logical id of the API, the response type and the arguments of PutGatewayResponse for each gateway response."""
    for name, api in _resources(template, API):
        for response_type, response in api["Properties"].get("GatewayResponses", {}).items():
            headers = response.get("ResponseParameters", {}).get("Headers", {})
            yield (
                name,
                response_type,
                {
                    "statusCode": str(response["StatusCode"]),
                    "responseParameters": {f"gatewayresponse.header.{header}": value for header, value in headers.items()},
                    "responseTemplates": dict(response["ResponseTemplates"]),
                },
            )


def gpu_definition(template: Template, folder: Path, names: Mapping[str, str]) -> batch.Definition:
    """Read the job definition of GPU workers.

    Args:
        template: The template.
        folder: The working directory of a task.
        names: What the template's references stand for, by name.
    """
    properties = template["Resources"]["GpuDefinition"]["Properties"]
    container, retries = properties["ContainerProperties"], properties["RetryStrategy"]
    return batch.Definition(
        command=container["Command"],
        environment={variable["Name"]: _resolve(variable["Value"], names) for variable in container["Environment"]},
        attempts=retries["Attempts"],
        retry_codes=[int(rule["OnExitCode"]) for rule in retries["EvaluateOnExit"] if "OnExitCode" in rule],
        role=names["GpuRole"],
        folder=str(folder),
    )


def _resolve(value: Any, names: Mapping[str, str]) -> str:
    if isinstance(value, str):
        return value
    if "Ref" in value:
        return names[value["Ref"]]
    return re.sub(r"\$\{([^}]+)\}", lambda match: names[match[1]], value["Fn::Sub"])


def read_handler(dockerfile: Path) -> str:
    """Return the handler that the last CMD of a Dockerfile names, such as `functions.classify.handler.handler`.

    Raises:
        ValueError: The last CMD isn't a list of one word.
    """
    commands = [line[4:].strip() for line in dockerfile.read_text().splitlines() if line.startswith("CMD ")]
    words = json.loads(commands[-1]) if commands else None
    if not (isinstance(words, list) and len(words) == 1 and isinstance(words[0], str)):
        raise ValueError(f'{dockerfile}: the last CMD must name the handler, as CMD ["functions.classify.handler.handler"]')
    return words[0]


def zip_folder(folder: Path, prefix: str = "") -> bytes:
    """Zip a folder without its bytecode. The same files give the same bytes.

    Args:
        folder: The folder.
        prefix: The path of the files inside the archive.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                entry = zipfile.ZipInfo(prefix + path.relative_to(folder).as_posix(), (1980, 1, 1, 0, 0, 0))
                entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def _resources(template: Template, resource_type: str) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((name, resource) for name, resource in template["Resources"].items() if resource["Type"] == resource_type)


def _turn_images_into_zips(template: Template, machine: LocalMachine) -> None:
    runtime = {"Ref": "PythonRuntime"}
    layers = [{"Ref": name} for name, _ in _resources(template, LAYER)]
    for _, function in _resources(template, FUNCTION):
        properties = function["Properties"]
        if properties.get("PackageType") != "Image":
            continue
        metadata = function.pop("Metadata")
        function.pop("IgnoreGlobals", None)
        override = properties.pop("ImageConfig", {}).get("Command")
        command = override[0] if override else read_handler(machine.root / metadata["DockerContext"] / metadata["Dockerfile"])
        *folder, module, name = command.split(".")
        properties.update(
            PackageType="Zip", Runtime=runtime, Handler=f"{module}.{name}", CodeUri="/".join(folder), Layers=layers
        )


def _upload_sources(template: Template, machine: LocalMachine) -> None:
    def store(name: str, archive: bytes) -> dict[str, str]:
        object_key = f"{name}-{hashlib.sha256(archive).hexdigest()[:16]}.zip"
        return {"Bucket": machine.store(object_key, archive), "Key": object_key}

    for name, function in _resources(template, FUNCTION):
        function["Properties"]["CodeUri"] = store(name, zip_folder(machine.root / function["Properties"]["CodeUri"]))
    for name, layer in _resources(template, LAYER):
        layer.pop("Metadata", None)
        layer["Properties"]["ContentUri"] = store(name, zip_folder(machine.root / CORE, "python/pigeonhole/"))


def _expand_any_routes(template: Template, machine: LocalMachine) -> None:
    for _, function in _resources(template, FUNCTION):
        events = function["Properties"].get("Events", {})
        routes = {name: event for name, event in events.items() if event["Type"] == "Api"}
        declared = {(event["Properties"]["Path"], event["Properties"]["Method"]) for event in routes.values()}
        for name, event in routes.items():
            properties = event["Properties"]
            if properties["Method"] == "ANY":
                del events[name]
                for verb in VERBS:
                    if (properties["Path"], verb) not in declared:
                        events[f"{name}{verb.capitalize()}"] = {"Type": "Api", "Properties": {**properties, "Method": verb}}


def _write_slashes(template: Template, machine: LocalMachine) -> None:
    for _, api in _resources(template, API):
        media_types = api["Properties"].get("BinaryMediaTypes", [])
        api["Properties"]["BinaryMediaTypes"] = [media_type.replace("~1", "/") for media_type in media_types]


def _remove_aliases(template: Template, machine: LocalMachine) -> None:
    names = [name for name, function in _resources(template, FUNCTION) if function["Properties"].pop("AutoPublishAlias", None)]
    for name in names:
        for property_name in ("DeploymentPreference", "VersionDescription", "ProvisionedConcurrencyConfig"):
            template["Resources"][name]["Properties"].pop(property_name, None)
        for section in ("Resources", "Outputs"):
            template[section] = _replace(template[section], {"Ref": f"{name}.Alias"}, {"Fn::GetAtt": [name, "Arn"]})


def _replace(node: Any, old: object, new: object) -> Any:
    if node == old:
        return new
    if isinstance(node, dict):
        return {key: _replace(value, old, new) for key, value in node.items()}
    return [_replace(value, old, new) for value in node] if isinstance(node, list) else node


def _remove_authorizer(template: Template, machine: LocalMachine) -> None:
    for name in ("AuthorizeFunction", "AuthorizeRole"):
        del template["Resources"][name]
    for _, api in _resources(template, API):
        del api["Properties"]["ApiKeySourceType"]
        for setting in ("Authorizers", "DefaultAuthorizer", "AddDefaultAuthorizerToCorsPreflight"):
            del api["Properties"]["Auth"][setting]
    for _, function in _resources(template, FUNCTION):
        for event in function["Properties"].get("Events", {}).values():
            event["Properties"].get("Auth", {}).pop("Authorizer", None)


def _separate_logs(template: Template, machine: LocalMachine) -> None:
    for name, function in list(_resources(template, FUNCTION)):
        if "LoggingConfig" not in function["Properties"]:
            group = f"{name.removesuffix('Function')}Logs"
            log_group_name = {"Fn::Sub": f"/aws/lambda/${{AWS::StackName}}/{group}"}
            template["Resources"][group] = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": log_group_name}}
            function["Properties"]["LoggingConfig"] = {"LogGroup": {"Ref": group}}


def _run_gpu_tasks_here(template: Template, machine: LocalMachine) -> None:
    dropped = ("AWS::Batch::", "AWS::EC2::", "AWS::IAM::InstanceProfile")
    resources = template["Resources"]
    for name in [name for name, resource in resources.items() if resource["Type"].startswith(dropped)]:
        del resources[name]
    for name in ("GpuInstanceRole", "GpuExecutionRole"):
        del resources[name]
    for name, arn in (("GpuQueue", batch.QUEUE), ("GpuDefinition", batch.DEFINITION)):
        template["Resources"] = _replace(template["Resources"], {"Ref": name}, arn)


def _inline_concurrency(template: Template, machine: LocalMachine) -> None:
    for _, function in _resources(template, FUNCTION):
        for event in function["Properties"].get("Events", {}).values():
            scaling = event["Properties"].get("ScalingConfig", {})
            for name, value in scaling.items():
                if isinstance(value, int):
                    continue
                parameter = value["Ref"]
                scaling[name] = int(machine.parameters.get(parameter, template["Parameters"][parameter]["Default"]))


def _allow_short_visibility(template: Template, machine: LocalMachine) -> None:
    template["Parameters"]["ChunkVisibility"]["MinValue"] = 1


def _allow_batches(template: Template, machine: LocalMachine) -> None:
    for _, role in _resources(template, "AWS::IAM::Role"):
        role["Properties"] = _replace(role["Properties"], "sqs:SendMessage", "sqs:SendMessageBatch")


def _allow_http(template: Template, machine: LocalMachine) -> None:
    for name, _ in list(_resources(template, "AWS::S3::BucketPolicy")):
        del template["Resources"][name]


def _add_local_settings(template: Template, machine: LocalMachine) -> None:
    for name, function in _resources(template, FUNCTION):
        environment = function["Properties"].setdefault("Environment", {}).setdefault("Variables", {})
        environment.update({"POWERTOOLS_TRACE_DISABLED": "true", **machine.settings.get(name, {})})


REWRITES = (
    Rewrite(
        "image functions run as zip functions",
        "images need Docker; the handler is the image's command, and the shared package is a layer",
        _turn_images_into_zips,
    ),
    Rewrite(
        "functions and the layer are zips of the sources, without packages",
        "functions run under this environment's Python, which has the packages",
        _upload_sources,
    ),
    Rewrite("a route for ANY is one route per HTTP method", "ministack drops ANY when it imports an API", _expand_any_routes),
    Rewrite(
        "the media types of binary bodies are written with a slash, not with ~1",
        "ministack compares them as they are written; AWS reads them as parts of a JSON pointer",
        _write_slashes,
    ),
    Rewrite(
        "this package, and not functions/authorize, finds the API key in `Authorization: Bearer`",
        "ministack reads API keys only from x-api-key, and takes none from an authorizer",
        _remove_authorizer,
    ),
    Rewrite(
        "requests wait in a queue for their turn, and get 503 only after a minute or if hundreds wait already",
        "each request occupies a process in this machine's memory, and each classify run a model",
    ),
    Rewrite(
        "two workers, two ingest runs and four webhook deliveries run at a time at most",
        "each has a process in this machine's memory, and each worker a model",
    ),
    Rewrite(
        "the throttles and the quota of the usage plan are as high as AWS allows",
        "the queue protects this machine, and all requests are yours",
    ),
    Rewrite(
        "a function that crashes or times out is answered in the contract's shape by this package",
        "API Gateway answers with a gateway response there, ministack with the runtime's report",
    ),
    Rewrite(
        "the concurrency of a queue's function is a number in the template",
        "ministack takes a parameter's value as text there, and then doesn't read the queue",
        _inline_concurrency,
    ),
    Rewrite(
        "GPU workers are processes of this machine without a GPU, one at a time; this is not AWS Batch",
        "ministack's AWS Batch runs nothing; the processes run the command of the job definition, by its rules for retries",
        _run_gpu_tasks_here,
    ),
    Rewrite(
        "a chunk whose worker died is redelivered after a minute, and workers run for a minute at most",
        "a start after Ctrl-C waits for the chunks that were in progress, on AWS up to fifteen minutes",
        _allow_short_visibility,
    ),
    Rewrite(
        "a role that may send a message to a queue may send a batch of messages",
        "AWS has one permission for both, ministack asks for sqs:SendMessageBatch",
        _allow_batches,
    ),
    Rewrite(
        "uploads are ingested as they arrive, ten at a time at most, and not collected for some seconds first",
        "ministack has no batching window and passes at most ten messages of a queue to a function",
    ),
    Rewrite("queues have the same addresses at each start, whatever the port", "ministack finds queues by their addresses"),
    Rewrite(
        "the table's stream starts empty at each start",
        "ministack saves its read position but not its records; the sweeper publishes the ends of jobs that were lost",
    ),
    Rewrite(
        "a stack that is killed loses what it wrote in its last seconds",
        "ministack keeps its state in memory, which is saved every two seconds while it changes, and on Ctrl-C",
    ),
    Rewrite(
        "buckets are reached by http://",
        "ministack has no TLS, so the bucket policies that refuse http:// are left out",
        _allow_http,
    ),
    Rewrite(
        "each function logs to a group of its own",
        "ministack's log streams don't name the function, so a shared group would mix the functions' runs",
        _separate_logs,
    ),
    Rewrite(
        "functions/api waits some seconds for the table, not half a second",
        "this machine may be busy with a model, a build or tests",
    ),
    Rewrite("functions are invoked without an alias", "ministack would forget the limit on classify runs", _remove_aliases),
    Rewrite(
        "functions get local settings: the model's folder, http:// and loopback addresses for images and webhooks, no traces",
        "there is no image with the model, your photos and webhook receivers are on this machine, and no X-Ray daemon runs",
        _add_local_settings,
    ),
    Rewrite(
        "gateway responses are set on the deployed API, which is then deployed again",
        "ministack ignores the property GatewayResponses",
    ),
    Rewrite("the API is at / of a port of its own", "ministack serves it under /restapis/{id}/{stage}/_user_request_"),
    Rewrite(
        "ministack listens only on 127.0.0.1", "its root credentials are public, and by default it listens on all addresses"
    ),
    Rewrite(
        "ministack and its functions start with a minimal environment",
        "functions inherit ministack's environment, which would include your credentials",
    ),
)
