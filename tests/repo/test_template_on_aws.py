"""What AWS refuses, or does otherwise than the template says. Neither a linter nor the local stack shows it.

Each rule holds for all resources of the translated template, so that a new function meets it too.
"""

from __future__ import annotations

import math
import re
import tomllib
from typing import Any

import pytest

from pigeonhole.settings import LAMBDA_MB_PER_CORE, Settings
from pigeonhole.wiring.inference import DECODE_PROCESS_BYTES, MODEL_BYTES, decode_workers, encode_workers
from support.template import ROOT, find_all, list_references, read_template, translate

TEMPLATE = read_template()
PARAMETERS: dict[str, Any] = TEMPLATE["Parameters"]
TRANSLATED = translate()
RESOURCES: dict[str, Any] = TRANSLATED["Resources"]
FUNCTIONS = {name: item for name, item in RESOURCES.items() if item["Type"] == "AWS::Lambda::Function"}
MIN_RECEIVES = 5  # AWS's advice: a throttled invocation counts as a receive
NEW_ACCOUNT_MB = 3_008  # the most memory of a function in an account that is new
# What a version holds, by https://docs.aws.amazon.com/lambda/latest/dg/configuration-versions.html. SAM publishes a version if
# the first three change. `Description` says what the function is for, so it needs no version of its own.
PUBLISHED_BY_SAM = {"Code", "Environment", "MemorySize"}
NOT_IN_A_VERSION = {"Description", "RecursiveLoop", "ReservedConcurrentExecutions", "Tags"}
SAME_FOR_EVERY_VERSION = {
    "Handler",
    "ImageConfig",
    "PackageType",
    "TracingConfig",
}  # a change of these needs a change of the code


def of_type(kind: str) -> dict[str, Any]:
    return {name: item for name, item in RESOURCES.items() if item["Type"] == kind}


def default(value: Any) -> Any:
    return PARAMETERS[value["Ref"]]["Default"] if isinstance(value, dict) else value


def version_of(function: str, template: dict[str, Any] | None = None) -> tuple[str, str]:
    """Return the logical id and the description of a function's version. If neither changes, no version is published."""
    resources = translate(template)["Resources"]
    (version,) = (
        (name, str(item["Properties"].get("Description")))
        for name, item in resources.items()
        if item["Type"] == "AWS::Lambda::Version" and list_references(item["Properties"]["FunctionName"]) == {function}
    )
    return version


PUBLISHED = [
    next(iter(list_references(item["Properties"]["FunctionName"]))) for item in of_type("AWS::Lambda::Version").values()
]

# ---------------------------------------------------------------------------------------------------------------- memory


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_new_account_may_create_the_function(function: str) -> None:
    assert default(FUNCTIONS[function]["Properties"]["MemorySize"]) <= NEW_ACCOUNT_MB


@pytest.mark.parametrize("memory_mb", [NEW_ACCOUNT_MB, 4_096, 10_240])
def test_the_images_that_decode_at_a_time_fit_into_the_memory(memory_mb: int) -> None:
    limits = Settings()
    workers = decode_workers(limits, {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb)})

    decoded = workers * (limits.max_image_memory_bytes + DECODE_PROCESS_BYTES)

    assert decoded + limits.max_request_bytes + MODEL_BYTES <= memory_mb * 2**20


def test_the_batches_that_are_encoded_at_a_time_leave_no_core_idle() -> None:
    memory_mb = PARAMETERS["ClassifyMemory"]["Default"]

    batches = encode_workers(Settings(), {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb)})

    assert memory_mb / LAMBDA_MB_PER_CORE <= batches <= math.ceil(memory_mb / LAMBDA_MB_PER_CORE)


def test_a_worker_has_as_much_memory_as_the_classify_function() -> None:
    assert PARAMETERS["WorkerMemory"]["Default"] >= PARAMETERS["ClassifyMemory"]["Default"]


# ----------------------------------------------------------------------------------------------- the order of creation


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_functions_permissions_exist_before_the_function(function: str) -> None:
    """Lambda creates no traced function whose role can't trace, and reads no queue that the role may not read.

    A function waits for its role. It doesn't wait for a policy that is a resource of its own.
    """
    (role,) = list_references(FUNCTIONS[function]["Properties"]["Role"])
    later = [
        name
        for kind in ("AWS::IAM::Policy", "AWS::IAM::RolePolicy")
        for name, item in of_type(kind).items()
        if role in list_references(item["Properties"])
    ]
    actions = [
        action for statement in find_all(RESOURCES[role]["Properties"]["Policies"], "Action") for action in listed(statement)
    ]

    assert later == []
    assert FUNCTIONS[function]["Properties"]["TracingConfig"] == {"Mode": "Active"}
    assert {"xray:PutTraceSegments", "logs:PutLogEvents"} <= set(actions)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# ---------------------------------------------------------------------------------------------------------------- queues


@pytest.mark.parametrize(
    "queue", [name for name, item in of_type("AWS::SQS::Queue").items() if "RedrivePolicy" in item["Properties"]]
)
def test_throttled_invocations_alone_do_not_make_a_message_dead(queue: str) -> None:
    assert RESOURCES[queue]["Properties"]["RedrivePolicy"]["maxReceiveCount"] >= MIN_RECEIVES


@pytest.mark.parametrize("source", of_type("AWS::Lambda::EventSourceMapping"))
def test_lambda_accepts_the_queue_of_a_function_whatever_the_parameters_are(source: str) -> None:
    """Lambda refuses a queue whose visibility timeout is shorter than the function's timeout."""
    mapping = RESOURCES[source]["Properties"]
    ((name, *_),) = find_all(mapping["EventSourceArn"], "Fn::GetAtt")
    if RESOURCES[name]["Type"] != "AWS::SQS::Queue":
        return
    (function,) = list_references(mapping["FunctionName"])
    visible_after_s, timeout_s = (
        RESOURCES[name]["Properties"]["VisibilityTimeout"],
        FUNCTIONS[function]["Properties"]["Timeout"],
    )

    smallest = PARAMETERS[visible_after_s["Ref"]]["MinValue"] if isinstance(visible_after_s, dict) else visible_after_s
    largest = PARAMETERS[timeout_s["Ref"]]["MaxValue"] if isinstance(timeout_s, dict) else timeout_s

    assert smallest >= largest


@pytest.mark.parametrize("function", FUNCTIONS)
def test_lambda_stops_no_chain_of_messages_as_a_loop(function: str) -> None:
    """Lambda stops a chain after 16 hops if a function sends to a queue that leads back to it."""
    reached, added = set[str](), sends_to(function)
    while added - reached:
        reached |= added
        added = {queue for other in started_by(reached) for queue in sends_to(other)} | dead_letter_queues(reached)

    if function in started_by(reached):
        assert FUNCTIONS[function]["Properties"].get("RecursiveLoop") == "Allow"


def sends_to(function: str) -> set[str]:
    (role,) = list_references(FUNCTIONS[function]["Properties"]["Role"])
    statements = [item for policies in find_all(RESOURCES[role]["Properties"]["Policies"], "Statement") for item in policies]
    return {
        name
        for statement in statements
        if "sqs:SendMessage" in listed(statement["Action"])
        for name in list_references(statement["Resource"])
    }


def started_by(queues: set[str]) -> set[str]:
    return {
        function
        for mapping in of_type("AWS::Lambda::EventSourceMapping").values()
        if queues & list_references(mapping["Properties"]["EventSourceArn"])
        for function in list_references(mapping["Properties"]["FunctionName"])
    }


def dead_letter_queues(queues: set[str]) -> set[str]:
    return {name for queue in queues for name in list_references(RESOURCES[queue]["Properties"].get("RedrivePolicy", {}))}


# --------------------------------------------------------------------------------------------------------------- aliases


@pytest.mark.parametrize("function", PUBLISHED)
def test_a_change_of_a_parameter_publishes_a_version(function: str) -> None:
    """SAM compares properties before parameters have values, and Lambda's alias stays at the old version."""
    properties = {name: value for name, value in FUNCTIONS[function]["Properties"].items() if name not in NOT_IN_A_VERSION}
    named = list_references(TEMPLATE["Resources"][function]["Properties"]["VersionDescription"])

    assert list_references(properties) & set(PARAMETERS) <= named


@pytest.mark.parametrize("function", PUBLISHED)
def test_a_change_of_a_property_publishes_a_version(function: str) -> None:
    """SAM's own name of a version changes with the code, the environment and the memory. The description names the others."""
    properties = FUNCTIONS[function]["Properties"]
    others = properties.keys() - PUBLISHED_BY_SAM - NOT_IN_A_VERSION - SAME_FOR_EVERY_VERSION
    (description,) = find_all(RESOURCES[version_of(function)[0]]["Properties"]["Description"], "Fn::Sub")

    unnamed = {
        name
        for name in others
        if not (list_references(properties[name]) - {"AWS::NoValue"} or {str(properties[name])}) <= words(description)
    }

    assert unnamed == set()


@pytest.mark.parametrize("function", PUBLISHED)
def test_lambda_takes_the_description_of_a_version(function: str) -> None:
    """It has 256 characters at most. The ARN of a layer has about 90, a free text as many as its pattern allows."""
    lengths = {"UserAgentContact": 100, "CoreLayer": 90}
    description = TEMPLATE["Resources"][function]["Properties"]["VersionDescription"]["Fn::Sub"]

    longest = re.sub(r"\$\{(\w+)\}", lambda match: "x" * lengths.get(match[1], 10), description)

    assert len(longest) <= 256


def words(description: str) -> set[str]:
    return {word.strip("${}") for word in description.replace(",", " ").split()}


@pytest.mark.parametrize("function", PUBLISHED)
@pytest.mark.parametrize("changes", [{"Environment": {"Variables": {"NEW": "1"}}}, {"MemorySize": 640}])
def test_what_the_description_leaves_out_publishes_a_version_by_itself(function: str, changes: dict[str, Any]) -> None:
    template = read_template()
    template["Resources"][function]["Properties"] |= changes

    assert version_of(function, template) != version_of(function)


@pytest.mark.parametrize("function", PUBLISHED)
@pytest.mark.parametrize("changes", [{"Tags": {"team": "new"}}, {"ReservedConcurrentExecutions": 7}])
def test_a_change_that_no_version_holds_publishes_none(function: str, changes: dict[str, Any]) -> None:
    """Lambda publishes no version in which nothing has changed, and CloudFormation takes that for a failure."""
    template = read_template()
    template["Resources"][function]["Properties"] |= changes

    assert version_of(function, template) == version_of(function)


# ------------------------------------------------------------------------------------------------------- samconfig.toml

ENVIRONMENTS = {
    name: table for name, table in tomllib.loads((ROOT / "samconfig.toml").read_text()).items() if name != "version"
}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_sets_parameters_that_exist_to_values_that_they_take(environment: str) -> None:
    overrides = ENVIRONMENTS[environment]["global"]["parameters"].get("parameter_overrides", "")

    for name, _, value in (override.partition("=") for override in overrides.split()):
        parameter = PARAMETERS[name]
        assert value in map(str, parameter.get("AllowedValues", [value]))
        assert re.fullmatch(parameter.get("AllowedPattern", ".*"), value)
        if parameter["Type"] == "Number":
            assert parameter.get("MinValue", 0) <= float(value) <= parameter.get("MaxValue", float("inf"))


def test_each_environment_has_a_stack_of_its_own() -> None:
    names = [table["global"]["parameters"]["stack_name"] for table in ENVIRONMENTS.values()]

    assert len(set(names)) == len(names)
    assert all(table["deploy"]["parameters"]["resolve_image_repos"] for table in ENVIRONMENTS.values())


# ----------------------------------------------------------------------------------------------------------- the image


def test_no_layer_of_the_image_stores_the_model_twice() -> None:
    """A RUN that changes the mode of a file stores the file again in the RUN's layer."""
    _, _, last_stage = (ROOT / "functions/classify/Dockerfile").read_text().rpartition("\nFROM ")
    (copied,) = [line.split()[-1] for line in last_stage.splitlines() if line.startswith("COPY --from=export")]

    assert [line for line in last_stage.splitlines() if line.startswith("RUN ") and copied in line] == []
