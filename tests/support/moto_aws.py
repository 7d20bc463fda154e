"""AWS in this process, by moto, for the tests that an adapter and its fake share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from moto import mock_aws

from support.template import read_template

REGION = "eu-west-1"
TABLE = "pigeonhole"


@contextmanager
def in_moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run the block with AWS in this process, and without the machine's credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        yield


def table() -> Any:
    """Make the table of template.yaml and give a DynamoDB client."""
    client = boto3.client("dynamodb", region_name=REGION)
    described = read_template()["Resources"]["Table"]["Properties"]
    made_of = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    client.create_table(TableName=TABLE, **{name: described[name] for name in made_of})
    return client
