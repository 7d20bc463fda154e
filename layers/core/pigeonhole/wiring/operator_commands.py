"""The services of an operator's commands, which work on a deployed stack."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pigeonhole.jobs.redrive import JobRedriver
from pigeonhole.settings import Settings
from pigeonhole.tenants.api_keys import ApiKeyManager
from pigeonhole.wiring.adapters import JobAdapters

if TYPE_CHECKING:
    from boto3.session import Session

LOCAL_REGION = "us-east-1"


def api_key_manager(stack_name: str, endpoint_url: str | None = None) -> ApiKeyManager:
    """Build the service behind `pigeonhole keys`.

    Args:
        stack_name: The name of the deployed stack.
        endpoint_url: The address of the local stack, None for AWS.

    Raises:
        NotFound: There is no such stack, or it isn't one of this template.
    """
    from pigeonhole.aws.apigateway import ApiGatewayKeys
    from pigeonhole.aws.cloudformation import read_stack_outputs
    from pigeonhole.aws.dynamodb.tenants import DynamoTenantStore

    session = _operator_session(is_local=endpoint_url is not None)
    outputs = read_stack_outputs(
        session.client("cloudformation", endpoint_url=endpoint_url), stack_name, "TableName", "UsagePlanId"
    )
    return ApiKeyManager(
        registry=ApiGatewayKeys(session.client("apigateway", endpoint_url=endpoint_url), outputs["UsagePlanId"]),
        store=DynamoTenantStore(session.client("dynamodb", endpoint_url=endpoint_url), outputs["TableName"]),
    )


def job_redriver(stack_name: str, endpoint_url: str | None = None) -> JobRedriver:
    """Build the service behind `pigeonhole jobs redrive`.

    Args:
        stack_name: The name of the deployed stack.
        endpoint_url: The address of the local stack, None for AWS.

    Raises:
        NotFound: There is no such stack, or it isn't one of this template.
    """
    from pigeonhole.aws.cloudformation import read_stack_outputs

    session = _operator_session(is_local=endpoint_url is not None)
    names = ("TableName", "JobBucketName", "ChunkQueueUrl")
    outputs = read_stack_outputs(session.client("cloudformation", endpoint_url=endpoint_url), stack_name, *names)
    table, bucket, queue = (outputs[name] for name in names)
    settings = Settings(table_name=table, job_bucket=bucket, job_queue=queue)
    adapters = JobAdapters(session, settings, endpoint_url)
    return JobRedriver(
        tenants=adapters.tenants,
        store=adapters.store,
        objects=adapters.objects,
        queue=adapters.chunk_queue,
        secrets=adapters.secrets,
    )


def _operator_session(*, is_local: bool) -> Session:
    """Open the session of an operator. The local stack takes any credentials, so the operator needs none for it."""
    from boto3.session import Session

    session = Session(region_name=os.environ.get("AWS_REGION") or None)
    if not is_local:
        return session
    region = session.region_name or LOCAL_REGION
    if session.get_credentials():
        return Session(region_name=region)
    return Session(region_name=region, aws_access_key_id="test", aws_secret_access_key="test")  # noqa: S106
