"""Each function's AWS calls during the tests of this folder, against its policies in the template. Runs after all others.

ministack enforces the policies and the server notes each of its decisions, so a call outside them shows even where the code
shrugs it off, as it does for the rate counter.
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

from support.stack.deployment import BUCKET, PREFIX, Deployment, image, request, text

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
# And of a read that finds nothing, whether who reads may list the bucket; of a version it may be the one or the other.
ASKED_WHERE_NOTHING_IS = {
    "s3:GetObject": ("s3:ListBucket",),
    "s3:GetObjectVersion": ("s3:ListBucket", "s3:ListBucketVersions"),
    "s3:DeleteObjectTagging": ("s3:ListBucket",),
}
CLASSIFIERS = ("ClassifyFunction", "WorkerFunction")
CALLERS_IMAGES = tuple(f"arn:aws:s3:::{place}/*" for place in (BUCKET, "UploadBucket", "JobBucket/label-sets"))
# Who tells a result and finds that another put its JSON meanwhile looks whose the table has; no test makes two so quick.
IN_A_RACE = {(f"{name}Function", "dynamodb:GetItem", "OBJECTS#*") for name in ("Ingest", "Notify")}
OF_TAGS = ("Get", "Put")
API_ASKS = ("BatchGetItem", "ConditionCheckItem", "DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem")


@dataclass(frozen=True)
class Call:
    """One decision of ministack's IAM on a call by a function's role. `stack`: the name of the function's own.

    A resource of the stack is called by its name in the template, so that calls of several stacks can be put together. `key`:
    an item's partition key, or the key of an object that is asked after; a call for several items is one for each.
    """

    stack: str
    function: str
    action: str
    resource: str
    allowed: bool
    key: str = ""


@dataclass(frozen=True)
class Grant:
    """One action on one resource that a function's role may take, with one kind of key if there is a condition on that.

    All may hold `*`.
    """

    action: str
    resource: str
    key: str = "*"

    def covers(self, call: Call) -> bool:
        pairs = ((call.action, self.action), (call.resource, self.resource), (call.key, self.key))
        return all(fnmatchcase(value, pattern) for value, pattern in pairs)


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
        Call(*names[name], line["action"], in_template[names[name][0]](line["resource"]), line["allowed"], key)
        for line in lines
        if ":assumed-role/" in line["principal"] and (name := line["principal"].rsplit("/", 1)[1]) in names
        for key in line["keys"] or [""]
    ]


@pytest.fixture(scope="module")
def needed(calls: list[Call]) -> list[Call]:
    """The calls, and what AWS asks besides of a read that finds nothing: whether the reader may list the bucket.

    Of what the deployment keeps for itself anything may be gone. Who reads images that callers name needs no list for that: of
    what is absent and of what is denied it says the same.
    """
    return [*calls, *(asked for call in calls if not is_of_a_caller(call) for asked in listings(call))]


def is_of_a_caller(call: Call) -> bool:
    return call.function in CLASSIFIERS and any(fnmatchcase(call.resource, images) for images in CALLERS_IMAGES)


def listings(call: Call) -> Iterator[Call]:
    bucket, _, key = call.resource.partition("/")
    for action in ASKED_WHERE_NOTHING_IS.get(call.action, ()):
        yield replace(call, action=action, resource=bucket, key=key)


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
                    for key in keys_of(statement):
                        yield Grant(action, in_template(resource), key)


def keys_of(statement: dict[str, Any]) -> list[str]:
    """The kinds of keys that a statement is about: the only condition that there may be."""
    if "Condition" not in statement:
        return ["*"]
    ((operator, condition),) = statement["Condition"].items()
    ((name, kinds),) = condition.items()
    assert (operator, name) in {("ForAllValues:StringLike", "dynamodb:LeadingKeys"), ("StringLike", "s3:prefix")}
    return listed(kinds)


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_call_is_outside_the_policies(deployments: dict[str, Deployment], needed: list[Call], function: str) -> None:
    own = [call for call in needed if call.function == function]
    granted = {name: list(grants(deployment, function)) for name, deployment in deployments.items()}

    assert own, "the function calls AWS"
    assert [call for call in own if not call.allowed] == []
    assert [call for call in own if not any(grant.covers(call) for grant in granted[call.stack])] == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_granted_action_is_unused(deployed: Deployment, needed: list[Call], function: str) -> None:
    own = [call for call in needed if call.function == function]

    unused = [
        grant
        for grant in grants(deployed, function)
        if (function, grant.action, grant.key) not in IN_A_RACE and not any(grant.covers(call) for call in own)
    ]

    assert {grant.action for grant in unused} == LAMBDAS_OWN | READ_FOR.get(function, set()) | ASKED_ON_AWS.get(function, set())


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_grant_is_wider_than_it_must_be(deployed: Deployment, function: str) -> None:
    granted = list(grants(deployed, function))
    wide = {grant.action for grant in granted if "*" in grant.action or grant.resource == "*"}
    kinds = {grant.key for grant in granted if grant.resource.endswith(":table/Table")}

    assert [kind for kind in kinds if not re.fullmatch(r"[A-Z]+#\*", kind)] == [], "of the table, one kind of items each"
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
