"""The services of an operator's commands, for a deployed stack."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pigeonhole.jobs.redrive import JobRedriver
from pigeonhole.settings import Settings
from pigeonhole.tenants.api_keys import ApiKeyManager
from pigeonhole.wiring.jobs import JobAdapters

if TYPE_CHECKING:
    from boto3.session import Session

LOCAL_REGION = "us-east-1"


def api_key_manager(stack_name: str, endpoint_url: str | None = None) -> ApiKeyManager:
    """Build what `pigeonhole keys` calls, for a deployed stack. `endpoint_url`: of the local stack, None for AWS.

    Raises NotFound if there is no such stack or if it isn't one of this template.
    """
    from pigeonhole.aws.apigateway import ApiGatewayKeys
    from pigeonhole.aws.cloudformation import read_stack_outputs
    from pigeonhole.aws.dynamodb.tenants import DynamoTenantStore

    session = _operator_session(local=endpoint_url is not None)
    outputs = read_stack_outputs(
        session.client("cloudformation", endpoint_url=endpoint_url), stack_name, "TableName", "UsagePlanId"
    )
    return ApiKeyManager(
        registry=ApiGatewayKeys(session.client("apigateway", endpoint_url=endpoint_url), outputs["UsagePlanId"]),
        store=DynamoTenantStore(session.client("dynamodb", endpoint_url=endpoint_url), outputs["TableName"]),
    )


def job_redriver(stack_name: str, endpoint_url: str | None = None) -> JobRedriver:
    """Build what `pigeonhole jobs redrive` calls. `endpoint_url` and what is raised: as of `api_key_manager`."""
    from pigeonhole.aws.cloudformation import read_stack_outputs

    session = _operator_session(local=endpoint_url is not None)
    needed = ("TableName", "JobBucketName", "ChunkQueueUrl")
    outputs = read_stack_outputs(session.client("cloudformation", endpoint_url=endpoint_url), stack_name, *needed)
    table, bucket, queue = (outputs[name] for name in needed)
    jobs = JobAdapters(session, Settings(table_name=table, job_bucket=bucket, job_queue=queue), endpoint_url)
    return JobRedriver(tenants=jobs.tenants, store=jobs.store, objects=jobs.objects, queue=jobs.queue, secrets=jobs.secrets)


def _operator_session(*, local: bool) -> Session:
    """The session of whoever types a command. The local stack takes any credentials; who has none needn't make some up."""
    from boto3.session import Session

    session = Session(region_name=os.environ.get("AWS_REGION") or None)
    if not local:
        return session
    region = session.region_name or LOCAL_REGION
    if session.get_credentials():
        return Session(region_name=region)
    return Session(region_name=region, aws_access_key_id="test", aws_secret_access_key="test")  # noqa: S106
