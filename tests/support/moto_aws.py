"""AWS in this process, by moto, for the tests that an adapter and its fake share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.config import Config
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


@cache
def _client(service: str) -> Any:
    """Create a client once: it takes a tenth of a second. moto answers it whenever it is active."""
    return boto3.client(service, region_name=REGION, config=Config(signature_version="s3v4" if service == "s3" else None))


def create_table() -> Any:
    """Create the table of template.yaml, and return a DynamoDB client."""
    client = _client("dynamodb")
    properties = read_template()["Resources"]["Table"]["Properties"]
    names = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    client.create_table(TableName=TABLE, **{name: properties[name] for name in names})
    return client


def create_bucket(name: str, *, is_versioned: bool = False) -> Any:
    """Create a bucket, and return an S3 client with the signature that wiring gives it."""
    client = _client("s3")
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    if is_versioned:
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return client


def unconnected_client(service: str) -> Any:
    """Return a client for a Stubber, which answers in place of AWS."""
    return boto3.client(service, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")
