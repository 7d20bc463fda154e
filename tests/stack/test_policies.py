"""Each function's AWS calls during the tests of this folder, compared with its policies. Runs after all other tests.

ministack enforces the policies, and the server records each decision. So a refused call shows even if the code ignores its
error, as the rate counter does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from pigeonhole_cli.local.batch import SESSION
from support.stack.deployment import BUCKET, PREFIX, Deployment, image, request, text

NAMES = ("Api", "Classify", "Worker", "DeadLetters", "Plan", "Sweep", "Notify", "Webhooks", "Ingest")
FUNCTIONS = {f"{name}Function": f"{name}Role" for name in NAMES}
PROGRAMS = {**FUNCTIONS, "GpuWorker": "GpuRole"}  # only the main stack has GPU workers

# Lambda itself writes logs and traces under the function's role. This project's code doesn't call these actions.
LAMBDAS_OWN = {"logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"}
# Lambda reads queues and streams for a function under its role. ministack does so without a check.
QUEUES_OWN = {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}
STREAMS_OWN = {f"dynamodb:{call}" for call in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")}
READ_FOR = {
    "WorkerFunction": QUEUES_OWN,
    "DeadLettersFunction": QUEUES_OWN,
    "PlanFunction": QUEUES_OWN,
    "WebhooksFunction": QUEUES_OWN,
    "NotifyFunction": STREAMS_OWN,
    "IngestFunction": QUEUES_OWN,
}


# Actions that AWS requires and ministack doesn't: for a copy that sets tags, and for objects that have no version because
# they were uploaded right after their bucket was created.
# A planner that runs out of its five minutes queues a message for the next one. No test has a manifest of that size.
# Calls to AWS Batch are answered by the local stack, which checks no policy.
ASKED_ON_AWS = {
    "PlanFunction": {"sqs:SendMessageBatch", "batch:DescribeJobs", "batch:SubmitJob", "batch:TerminateJob"},
    "DeadLettersFunction": {"batch:TerminateJob"},
    "ApiFunction": {"s3:PutObjectTagging"},
    "IngestFunction": {"s3:GetObject"},
    "NotifyFunction": {"s3:GetObjectTagging", "s3:PutObjectTagging"},
}
# For a missing object, AWS checks whether the reader may list the bucket. For a missing version it may check either action.
ASKED_WHERE_NOTHING_IS = {
    "s3:GetObject": ("s3:ListBucket",),
    "s3:GetObjectVersion": ("s3:ListBucket", "s3:ListBucketVersions"),
    "s3:DeleteObjectTagging": ("s3:ListBucket",),
}
READERS = ("ClassifyFunction", "WorkerFunction", "GpuWorker", "DeadLettersFunction", "PlanFunction")  # of images and manifests
CALLERS_OBJECTS = tuple(f"arn:aws:s3:::{bucket}/*" for bucket in (BUCKET, "UploadBucket", "JobBucket/label-sets"))
OF_TAGS = ("Get", "Put")
API_ASKS = ("BatchGetItem", "ConditionCheckItem", "DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem")
EXPECTED_CALLS = {
    *(("ApiFunction", f"dynamodb:{call}") for call in API_ASKS),
    ("ApiFunction", "lambda:InvokeFunction"),
    ("ApiFunction", "s3:GetObject"),
    ("ApiFunction", "s3:PutObject"),
    ("ApiFunction", "s3:DeleteObject"),
    ("ApiFunction", "s3:DeleteObjectTagging"),
    ("ApiFunction", "sqs:SendMessageBatch"),
    ("ClassifyFunction", "s3:GetObject"),
    ("ClassifyFunction", "s3:PutObject"),
    *(("WorkerFunction", f"dynamodb:{call}") for call in ("BatchGetItem", "GetItem", "PutItem", "Query", "UpdateItem")),
    ("WorkerFunction", "s3:GetObject"),
    ("WorkerFunction", "s3:GetObjectVersion"),
    ("WorkerFunction", "s3:PutObject"),
    ("WorkerFunction", "sqs:ChangeMessageVisibility"),
    ("WorkerFunction", "sqs:SendMessageBatch"),
    *(("DeadLettersFunction", f"dynamodb:{call}") for call in ("BatchGetItem", "GetItem", "PutItem", "Query")),
    *(("DeadLettersFunction", f"s3:{call}") for call in ("GetObject", "GetObjectVersion", "PutObject")),
    ("DeadLettersFunction", "sqs:SendMessageBatch"),
    *(("PlanFunction", f"dynamodb:{call}") for call in ("BatchGetItem", "GetItem", "PutItem", "Query")),
    *(("PlanFunction", f"s3:{call}Object") for call in ("Get", "Put")),
    ("PlanFunction", "s3:GetObjectVersion"),
    ("PlanFunction", "s3:ListBucket"),
    ("PlanFunction", "sqs:ChangeMessageVisibility"),
    ("PlanFunction", "sqs:SendMessageBatch"),
    *(("SweepFunction", f"dynamodb:{call}") for call in ("BatchGetItem", "GetItem", "PutItem", "Query")),
    ("SweepFunction", "sqs:SendMessageBatch"),
    *(("NotifyFunction", f"dynamodb:{call}") for call in ("GetItem", "PutItem", "Query")),
    *(
        ("NotifyFunction", f"s3:{call}")
        for call in ("GetObject", "PutObject", *(f"{verb}ObjectVersionTagging" for verb in OF_TAGS))
    ),
    ("NotifyFunction", "events:PutEvents"),
    ("NotifyFunction", "sqs:SendMessageBatch"),
    *(("IngestFunction", f"dynamodb:{call}") for call in ("BatchGetItem", "GetItem", "PutItem")),
    ("IngestFunction", "s3:GetObjectVersion"),
    ("IngestFunction", "s3:PutObject"),
    ("IngestFunction", "events:PutEvents"),
    ("IngestFunction", "sqs:ChangeMessageVisibility"),
    ("IngestFunction", "sqs:SendMessageBatch"),
    *(("WebhooksFunction", f"dynamodb:{call}") for call in ("GetItem", "PutItem")),
    *(("GpuWorker", f"dynamodb:{call}") for call in ("BatchGetItem", "GetItem", "PutItem", "UpdateItem")),
    *(("GpuWorker", f"s3:{call}Object") for call in ("Get", "Put")),
    ("GpuWorker", "sqs:SendMessageBatch"),
}
NEEDS_ALL_TESTS = "calls are missing if not all of tests/stack ran before; run the whole folder"


@dataclass(frozen=True)
class Call:
    """A decision of ministack's IAM on a call by a function's role.

    Attributes:
        stack: The name of the function's stack.
        function: The function's name in the template.
        action: The action, such as `s3:GetObject`.
        resource: The resource's ARN, with the names that the template has for resources.
        allowed: Whether the policies allowed the call.
        key: An item's partition key, or an object's key. A call for several items counts once for each.
    """

    stack: str
    function: str
    action: str
    resource: str
    allowed: bool
    key: str = ""


@dataclass(frozen=True)
class Grant:
    """An action on a resource that a role grants, with the pattern of its condition on keys. All may contain `*`."""

    action: str
    resource: str
    key: str = "*"

    def covers(self, call: Call) -> bool:
        pairs = ((call.action, self.action), (call.resource, self.resource), (call.key, self.key))
        return all(fnmatchcase(value, pattern) for value, pattern in pairs)


@pytest.fixture(scope="module")
def calls(deployed: Deployment, deployments: dict[str, Deployment], record: Path, photos: dict[str, bytes]) -> list[Call]:
    """The calls of each stack's functions in the tests before this module, and in one request that reads a granted image."""
    deployed.stack.client("s3").put_object(Bucket=BUCKET, Key=PREFIX + "cat.png", Body=photos["cat"])
    granted = deployed.classify(request([image(f"s3://{BUCKET}/{PREFIX}cat.png")], [text("cat"), text("temple")]))
    assert granted.status_code == 200, granted.text
    names = {
        resources[function]: (name, function)
        for name, deployment in deployments.items()
        for resources in [deployment.stack.resources()]
        for function in FUNCTIONS
    }
    names[SESSION] = ("pigeonhole", "GpuWorker")
    in_template = {name: named_as_in_template(deployment) for name, deployment in deployments.items()}
    lines = (json.loads(line) for line in record.read_text().splitlines())
    return [
        Call(*names[name], line["action"], in_template[names[name][0]](line["resource"]), line["allowed"], key)
        for line in lines
        if ":assumed-role/" in line["principal"] and (name := line["principal"].rsplit("/", 1)[1]) in names
        for key in line["keys"] or [""]
    ]


@pytest.fixture(scope="module")
def needed(calls: list[Call]) -> list[Call]:
    """The calls, and the list actions that AWS also checks if an object is missing.

    Any object that the deployment stores for itself may be missing. Images and manifests that callers name are left out: the
    answer for a missing one is that for a denied one, so the reader needs no list action.
    """
    return [*calls, *(listing for call in calls if not is_of_a_caller(call) for listing in listings(call))]


def is_of_a_caller(call: Call) -> bool:
    return call.function in READERS and any(fnmatchcase(call.resource, objects) for objects in CALLERS_OBJECTS)


def listings(call: Call) -> Iterator[Call]:
    bucket, _, key = call.resource.partition("/")
    for action in ASKED_WHERE_NOTHING_IS.get(call.action, ()):
        yield replace(call, action=action, resource=bucket, key=key)


def named_as_in_template(deployment: Deployment) -> Callable[[str], str]:
    """Return a function that writes the template's names into an ARN."""
    names = {re.split("[:/]", physical)[-1]: logical for logical, physical in deployment.stack.resources().items()}
    names = {physical: logical for physical, logical in names.items() if len(physical) > 4}  # the layer's is its version
    known = re.compile("|".join(map(re.escape, sorted(names, key=len, reverse=True))))
    return lambda arn: known.sub(lambda match: names[match[0]], arn)


def grants(deployed: Deployment, function: str) -> Iterator[Grant]:
    """Yield the grants of a function's role, as deployed from the template."""
    in_template = named_as_in_template(deployed)
    client, role = deployed.stack.client("iam"), deployed.stack.resources()[PROGRAMS[function]]
    assert client.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == [], "only policies of its own"
    for name in client.list_role_policies(RoleName=role)["PolicyNames"]:
        for statement in client.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow"
            for action in listed(statement["Action"]):
                for resource in listed(statement["Resource"]):
                    for key in keys_of(statement):
                        yield Grant(action, in_template(resource), key)


def keys_of(statement: dict[str, Any]) -> list[str]:
    """Return the patterns of keys in a statement's condition. No other condition is allowed."""
    if "Condition" not in statement:
        return ["*"]
    ((operator, condition),) = statement["Condition"].items()
    ((name, kinds),) = condition.items()
    assert (operator, name) in {("ForAllValues:StringLike", "dynamodb:LeadingKeys"), ("StringLike", "s3:prefix")}
    return listed(kinds)


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


@pytest.mark.parametrize("function", PROGRAMS)
def test_no_call_is_outside_the_policies(deployments: dict[str, Deployment], needed: list[Call], function: str) -> None:
    function_calls = [call for call in needed if call.function == function]
    stacks = {call.stack: deployments[call.stack] for call in function_calls}
    granted = {name: list(grants(deployment, function)) for name, deployment in stacks.items()}

    assert function_calls, f"the function calls AWS; {NEEDS_ALL_TESTS}"
    assert [call for call in function_calls if not call.allowed] == []
    assert [call for call in function_calls if not any(grant.covers(call) for grant in granted[call.stack])] == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_granted_action_is_unused(deployed: Deployment, needed: list[Call], function: str) -> None:
    function_calls = [call for call in needed if call.function == function]

    unused = [grant for grant in grants(deployed, function) if not any(grant.covers(call) for call in function_calls)]

    expected = LAMBDAS_OWN | READ_FOR.get(function, set()) | ASKED_ON_AWS.get(function, set())
    assert {grant.action for grant in unused} == expected, NEEDS_ALL_TESTS


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_grant_is_wider_than_it_must_be(deployed: Deployment, function: str) -> None:
    granted = list(grants(deployed, function))
    wide = {grant.action for grant in granted if "*" in grant.action or grant.resource == "*"}
    kinds = {grant.key for grant in granted if grant.resource.endswith(":table/Table")}

    assert [kind for kind in kinds if not re.fullmatch(r"[A-Z]+#\*", kind)] == [], "a grant on the table names one kind of item"
    # X-Ray and AWS Batch have no resource types for these.
    listing = {"batch:DescribeJobs"} if function == "PlanFunction" else set()
    assert wide == {"xray:PutTraceSegments", "xray:PutTelemetryRecords"} | listing


def test_the_functions_make_exactly_these_calls(calls: list[Call]) -> None:
    assert {(call.function, call.action) for call in calls} == EXPECTED_CALLS, NEEDS_ALL_TESTS
