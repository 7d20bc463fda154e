"""What the local stack does otherwise than AWS: each difference and its reason, in one table that `pigeonhole up` prints.

A row with `edit` changes the template (a parsed one, in place); the others are kept by the module that they name.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Template = dict[str, Any]
CORE = "layers/core/pigeonhole"
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
FUNCTION, LAYER, API = "AWS::Serverless::Function", "AWS::Serverless::LayerVersion", "AWS::Serverless::Api"


@dataclass(frozen=True)
class LocalMachine:
    """What the edits need to know of this machine.

    `store`: puts a zip (name, bytes) where the stack finds it and gives the bucket. `settings`: the variables that the local
    stack sets, by the function's logical id. `parameters`: the template's, where they aren't its defaults.
    """

    root: Path
    store: Callable[[str, bytes], str]
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Rewrite:
    """One difference. `why` is for whoever wonders; `edit` is None where no resource of the template changes."""

    name: str
    why: str
    edit: Callable[[Template, LocalMachine], None] | None = None


def rewrite(template: Template, place: LocalMachine) -> None:
    """Apply every row that edits the template, in the table's order."""
    for row in REWRITES:
        if row.edit is not None:
            row.edit(template, place)


def gateway_responses(template: Template) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Give (logical id of the API, response type, arguments of PutGatewayResponse) for each row of GatewayResponses."""
    for name, api in _of_type(template, API):
        for kind, response in api["Properties"].get("GatewayResponses", {}).items():
            headers = response.get("ResponseParameters", {}).get("Headers", {})
            yield (
                name,
                kind,
                {
                    "statusCode": str(response["StatusCode"]),
                    "responseParameters": {f"gatewayresponse.header.{key}": value for key, value in headers.items()},
                    "responseTemplates": dict(response["ResponseTemplates"]),
                },
            )


def command_of(dockerfile: Path) -> str:
    """Give the handler that the image's CMD names (`functions.classify.handler.handler`).

    Raises ValueError if the last CMD isn't a list of one word.
    """
    commands = [line[4:].strip() for line in dockerfile.read_text().splitlines() if line.startswith("CMD ")]
    words = json.loads(commands[-1]) if commands else None
    if not (isinstance(words, list) and len(words) == 1 and isinstance(words[0], str)):
        raise ValueError(f'{dockerfile}: the last CMD must name the handler, as CMD ["functions.classify.handler.handler"]')
    return words[0]


def zip_folder(folder: Path, prefix: str = "") -> bytes:
    """Zip a folder's Python sources and data, the same bytes for the same files. `prefix`: where they go inside."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                entry = zipfile.ZipInfo(prefix + path.relative_to(folder).as_posix(), (1980, 1, 1, 0, 0, 0))
                entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                archive.writestr(entry, path.read_bytes())
    return target.getvalue()


def _of_type(template: Template, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((name, resource) for name, resource in template["Resources"].items() if resource["Type"] == kind)


def _images_become_zips(template: Template, place: LocalMachine) -> None:
    runtime = {"Ref": "PythonRuntime"}
    layers = [{"Ref": name} for name, _ in _of_type(template, LAYER)]
    for _, function in _of_type(template, FUNCTION):
        properties = function["Properties"]
        if properties.get("PackageType") != "Image":
            continue
        metadata = function.pop("Metadata")
        own = properties.pop("ImageConfig", {}).get("Command")
        command = own[0] if own else command_of(place.root / metadata["DockerContext"] / metadata["Dockerfile"])
        *folder, module, name = command.split(".")
        properties.update(
            PackageType="Zip", Runtime=runtime, Handler=f"{module}.{name}", CodeUri="/".join(folder), Layers=layers
        )


def _sources_are_the_build(template: Template, place: LocalMachine) -> None:
    def stored(name: str, archive: bytes) -> dict[str, str]:
        key = f"{name}-{hashlib.sha256(archive).hexdigest()[:16]}.zip"
        return {"Bucket": place.store(key, archive), "Key": key}

    for name, function in _of_type(template, FUNCTION):
        function["Properties"]["CodeUri"] = stored(name, zip_folder(place.root / function["Properties"]["CodeUri"]))
    for name, layer in _of_type(template, LAYER):
        layer.pop("Metadata", None)
        layer["Properties"]["ContentUri"] = stored(name, zip_folder(place.root / CORE, "python/pigeonhole/"))


def _any_becomes_verbs(template: Template, place: LocalMachine) -> None:
    for _, function in _of_type(template, FUNCTION):
        events = function["Properties"].get("Events", {})
        routes = {name: event for name, event in events.items() if event["Type"] == "Api"}
        said = {(event["Properties"]["Path"], event["Properties"]["Method"]) for event in routes.values()}
        for name, event in routes.items():
            properties = event["Properties"]
            if properties["Method"] == "ANY":
                del events[name]
                for verb in VERBS:
                    if (properties["Path"], verb) not in said:
                        events[f"{name}{verb.capitalize()}"] = {"Type": "Api", "Properties": {**properties, "Method": verb}}


def _aliases_go(template: Template, place: LocalMachine) -> None:
    named = [name for name, function in _of_type(template, FUNCTION) if function["Properties"].pop("AutoPublishAlias", None)]
    for name in named:
        for of_versions in ("AutoPublishAliasAllProperties", "VersionDescription", "ProvisionedConcurrencyConfig"):
            template["Resources"][name]["Properties"].pop(of_versions, None)
        for section in ("Resources", "Outputs"):
            template[section] = _replaced(template[section], {"Ref": f"{name}.Alias"}, {"Fn::GetAtt": [name, "Arn"]})


def _replaced(node: Any, old: object, new: object) -> Any:
    if node == old:
        return new
    if isinstance(node, dict):
        return {key: _replaced(value, old, new) for key, value in node.items()}
    return [_replaced(value, old, new) for value in node] if isinstance(node, list) else node


def _concurrency_is_a_number(template: Template, place: LocalMachine) -> None:
    for _, function in _of_type(template, FUNCTION):
        for event in function["Properties"].get("Events", {}).values():
            scaling = event["Properties"].get("ScalingConfig", {})
            for name, value in scaling.items():
                parameter = value["Ref"]
                scaling[name] = int(place.parameters.get(parameter, template["Parameters"][parameter]["Default"]))


def _batches_may_be_sent(template: Template, place: LocalMachine) -> None:
    for _, role in _of_type(template, "AWS::IAM::Role"):
        role["Properties"] = _replaced(role["Properties"], "sqs:SendMessage", "sqs:SendMessageBatch")


def _http_is_let_in(template: Template, place: LocalMachine) -> None:
    for name, _ in list(_of_type(template, "AWS::S3::BucketPolicy")):
        del template["Resources"][name]


def _settings_are_local(template: Template, place: LocalMachine) -> None:
    for name, function in _of_type(template, FUNCTION):
        environment = function["Properties"].setdefault("Environment", {}).setdefault("Variables", {})
        environment.update({"POWERTOOLS_TRACE_DISABLED": "true", **place.settings.get(name, {})})


REWRITES = (
    Rewrite(
        "image functions run as zip functions",
        "images need Docker; the handler is the image's command, the shared package comes as the layer",
        _images_become_zips,
    ),
    Rewrite(
        "functions and the layer are zips of the sources, without their packages",
        "functions run under this environment's Python, which has them",
        _sources_are_the_build,
    ),
    Rewrite("a route for ANY verb is one route per verb", "ministack drops ANY where it imports an API", _any_becomes_verbs),
    Rewrite(
        "few classify runs at a time, the next one gets 503",
        "each has a process and a model of its own in this machine's memory; ministack ignores the template's own limit",
    ),
    Rewrite(
        "the concurrency of a queue's function is written out",
        "ministack takes a parameter's value for a text there, and then reads no queue",
        _concurrency_is_a_number,
    ),
    Rewrite(
        "a chunk whose worker is gone is given to another after a minute, and workers run no longer than that",
        "what was in their hands at Ctrl-C is waited for at the next start, and nobody wants to wait twelve minutes",
    ),
    Rewrite(
        "who may send a message to a queue may send several at once",
        "on AWS it is one permission, ministack asks for another",
        _batches_may_be_sent,
    ),
    Rewrite(
        "dropped files are taken as they come, ten together at most, and not gathered for some seconds first",
        "ministack knows no batching window, and gives a function ten messages of a queue at a time",
    ),
    Rewrite("queues have the same addresses at each start, whatever the port", "ministack looks for them by their addresses"),
    Rewrite(
        "the table's stream begins anew at each start",
        "ministack keeps how far it was read, and not what is in it; ends of jobs that it lost are told after the sweep",
    ),
    Rewrite(
        "buckets are reached by http://", "ministack has no TLS; the policy that refuses http is left out", _http_is_let_in
    ),
    Rewrite("functions are invoked without an alias", "ministack would forget that limit", _aliases_go),
    Rewrite(
        "functions get local settings: the model's folder, http:// and loopback addresses for images and webhooks, no traces",
        "the model isn't in an image, your photos and receivers are on this machine, and no X-Ray daemon is",
        _settings_are_local,
    ),
    Rewrite("GatewayResponses are put on the deployed API, which is then deployed again", "ministack ignores the property"),
    Rewrite("the API is at / of a port of its own", "ministack serves it under /restapis/{id}/{stage}/_user_request_"),
    Rewrite("ministack listens on 127.0.0.1 alone", "its root credentials are known to all, and it would listen everywhere"),
    Rewrite(
        "ministack and its functions start from a bare environment", "functions inherit ministack's, your credentials with it"
    ),
)
