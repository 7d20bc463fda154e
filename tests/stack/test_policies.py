"""Each function's AWS calls during the tests of this folder, against its policies in the template. Runs after all others.

ministack enforces the policies and the server notes each of its decisions, so a call outside them shows even where the code
shrugs it off, as it does for the rate counter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from deployment import BUCKET, PREFIX, Deployment, image, request, text

NAMES = ("Api", "Classify", "Worker", "DeadLetters", "Sweep", "Notify", "Webhooks", "Ingest")
FUNCTIONS = {f"{name}Function": f"{name}Role" for name in NAMES}

# Granted to Lambda itself, which writes a function's logs and traces under the function's role: no code of ours calls them.
LAMBDAS_OWN = {"logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"}
# And what reads a queue or a stream for a function; ministack does that without asking.
QUEUES_OWN = {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}
STREAMS_OWN = {f"dynamodb:{call}" for call in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")}
READ_FOR = {
    "WorkerFunction": QUEUES_OWN,
    "DeadLettersFunction": QUEUES_OWN,
    "WebhooksFunction": QUEUES_OWN,
    "NotifyFunction": STREAMS_OWN,
    "IngestFunction": QUEUES_OWN,
}


# What AWS asks for and ministack doesn't: a copy that sets tags.
# And objects that came before their bucket's versions were in force everywhere.
ASKED_ON_AWS = {
    "ApiFunction": {"s3:PutObjectTagging"},
    "IngestFunction": {"s3:GetObject"},
    "NotifyFunction": {"s3:GetObjectTagging", "s3:PutObjectTagging"},
}
OF_TAGS = ("Get", "Put")
API_ASKS = ("BatchGetItem", "ConditionCheckItem", "DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem")


@dataclass(frozen=True)
class Call:
    """One decision of ministack's IAM on a call by a function's role. `stack`: the name of the function's own.

    A resource of the stack is called by its name in the template, so that calls of several stacks can be put together.
    """

    stack: str
    function: str
    action: str
    resource: str
    allowed: bool


@dataclass(frozen=True)
class Grant:
    """One action on one resource that a function's role may take; both may hold `*`."""

    action: str
    resource: str

    def covers(self, call: Call) -> bool:
        return fnmatchcase(call.action, self.action) and fnmatchcase(call.resource, self.resource)


@pytest.fixture(scope="module")
def calls(deployed: Deployment, deployments: dict[str, Deployment], record: Path, photos: dict[str, bytes]) -> list[Call]:
    """What each stack's functions called in the tests before, and the main one's in a request of each kind that reaches AWS."""
    deployed.stack.client("s3").put_object(Bucket=BUCKET, Key=PREFIX + "cat.png", Body=photos["cat"])
    granted = deployed.classify(request([image(f"s3://{BUCKET}/{PREFIX}cat.png")], [text("cat"), text("temple")]))
    assert granted.status_code == 200, granted.text
    names = {
        resources[function]: (name, function)
        for name, deployment in deployments.items()
        for resources in [deployment.stack.resources()]
        for function in FUNCTIONS
    }
    in_template = {name: named_as_in_template(deployment) for name, deployment in deployments.items()}
    lines = (json.loads(line) for line in record.read_text().splitlines())
    return [
        Call(*names[name], line["action"], in_template[names[name][0]](line["resource"]), line["allowed"])
        for line in lines
        if ":assumed-role/" in line["principal"] and (name := line["principal"].rsplit("/", 1)[1]) in names
    ]


def named_as_in_template(deployment: Deployment) -> Callable[[str], str]:
    """What gives an ARN with the names that the template has for a stack's resources."""
    names = {re.split("[:/]", made)[-1]: logical for logical, made in deployment.stack.resources().items()}
    names = {made: logical for made, logical in names.items() if len(made) > 4}  # the layer's is its version
    known = re.compile("|".join(map(re.escape, sorted(names, key=len, reverse=True))))
    return lambda arn: known.sub(lambda found: names[found[0]], arn)


def grants(deployed: Deployment, function: str) -> Iterator[Grant]:
    """What the role of a function grants, as deployed from the template."""
    in_template = named_as_in_template(deployed)
    client, role = deployed.stack.client("iam"), deployed.stack.resources()[FUNCTIONS[function]]
    assert client.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == [], "only policies of its own"
    for name in client.list_role_policies(RoleName=role)["PolicyNames"]:
        for statement in client.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow"
            for action in listed(statement["Action"]):
                for resource in listed(statement["Resource"]):
                    yield Grant(action, in_template(resource))


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_call_is_outside_the_policies(deployments: dict[str, Deployment], calls: list[Call], function: str) -> None:
    own = [call for call in calls if call.function == function]
    granted = {name: list(grants(deployment, function)) for name, deployment in deployments.items()}

    assert own, "the function calls AWS"
    assert [call for call in own if not call.allowed] == []
    assert [call for call in own if not any(grant.covers(call) for grant in granted[call.stack])] == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_granted_action_is_unused(deployed: Deployment, calls: list[Call], function: str) -> None:
    own = [call for call in calls if call.function == function]

    unused = [grant for grant in grants(deployed, function) if not any(grant.covers(call) for call in own)]

    assert {grant.action for grant in unused} == LAMBDAS_OWN | READ_FOR.get(function, set()) | ASKED_ON_AWS.get(function, set())


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_grant_is_wider_than_it_must_be(deployed: Deployment, function: str) -> None:
    wide = {grant.action for grant in grants(deployed, function) if "*" in grant.action or grant.resource == "*"}

    assert wide == {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}, "X-Ray knows no resources for these"


def test_the_functions_call_what_they_are_said_to(calls: list[Call]) -> None:
    assert {(call.function, call.action) for call in calls} == {
        *(("ApiFunction", f"dynamodb:{call}") for call in API_ASKS),
        ("ApiFunction", "lambda:InvokeFunction"),
        ("ApiFunction", "s3:GetObject"),
        ("ApiFunction", "s3:PutObject"),
        ("ApiFunction", "s3:DeleteObjectTagging"),
        ("ApiFunction", "sqs:SendMessageBatch"),
        ("ClassifyFunction", "s3:GetObject"),
        ("ClassifyFunction", "s3:PutObject"),
        *(("WorkerFunction", f"dynamodb:{call}") for call in ("GetItem", "PutItem", "Query")),
        ("WorkerFunction", "s3:GetObject"),
        ("WorkerFunction", "s3:GetObjectVersion"),
        ("WorkerFunction", "s3:PutObject"),
        ("WorkerFunction", "sqs:ChangeMessageVisibility"),
        ("WorkerFunction", "sqs:SendMessageBatch"),
        *(("DeadLettersFunction", f"dynamodb:{call}") for call in ("GetItem", "PutItem", "Query")),
        *(("SweepFunction", f"dynamodb:{call}") for call in ("BatchGetItem", "GetItem", "PutItem", "Query")),
        ("SweepFunction", "sqs:SendMessageBatch"),
        ("IngestFunction", "s3:GetObject"),
        *(("NotifyFunction", f"dynamodb:{call}") for call in ("GetItem", "PutItem", "Query")),
        *(
            ("NotifyFunction", f"s3:{call}")
            for call in ("GetObject", "PutObject", *(f"{it}ObjectVersionTagging" for it in OF_TAGS))
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
    }
