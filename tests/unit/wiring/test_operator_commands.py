"""The services of operators' commands find the stack's resources by its outputs."""

from __future__ import annotations

import pytest

from pigeonhole.errors import NotFound
from pigeonhole.wiring import operator_commands
from support.lambda_server import LambdaServer


def test_a_stack_that_does_not_exist_is_not_found() -> None:
    body = b"""<ErrorResponse><Error><Code>ValidationError</Code><Message>Stack with id x does not exist</Message></Error>
        </ErrorResponse>"""
    with LambdaServer(status=400, body=body) as server, pytest.raises(NotFound, match="no stack 'x' in eu-west-1"):
        operator_commands.api_key_manager("x", server.url)


def test_a_stack_of_another_template_is_refused() -> None:
    body = b"""<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>x</StackName><Outputs><member>
        <OutputKey>TableName</OutputKey><OutputValue>t</OutputValue></member></Outputs></member></Stacks></DescribeStacksResult>
        </DescribeStacksResponse>"""
    with LambdaServer(body=body) as server:
        with pytest.raises(NotFound, match="no output UsagePlanId"):
            operator_commands.api_key_manager("x", server.url)
        with pytest.raises(NotFound, match="no output JobBucketName or ChunkQueueUrl"):
            operator_commands.job_redriver("x", server.url)
