"""PlannerClient: the fake and Lambda's adapter behave alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import boto3
import pytest
from botocore.config import Config

from pigeonhole.aws.lambda_invoke import LambdaPlanner
from pigeonhole.bulk.ports import PlannerClient
from pigeonhole.contract.bulk import Compute
from pigeonhole.contract.commands import ErrorReply
from pigeonhole.contract.estimates import EstimateCommand, EstimateReply
from pigeonhole.errors import InternalError, Overloaded, PigeonholeError, TimedOut, UnfetchableUrl
from support.fakes.bulk import ESTIMATE, FakePlannerClient
from support.lambda_server import LambdaServer

COMMAND = EstimateCommand(
    log_id="l",
    tenant_id="acme",
    bucket="data",
    object_key="acme/ö.jsonl",
    input_kind="lines",
    span_samples=1_000,
    compute=Compute.AUTO,
)
UNREADABLE = UnfetchableUrl("the manifest can't be read")


@pytest.fixture
def aws_lambda() -> Iterator[LambdaServer]:
    with LambdaServer() as server:
        yield server


def create_client(server: LambdaServer, read_timeout: float = 10.0) -> LambdaPlanner:
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=read_timeout)
    options = {"region_name": "eu-west-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
    return LambdaPlanner(boto3.client("lambda", endpoint_url=server.url, config=config, **options), "plan")


@pytest.fixture
def answering(is_real: bool, aws_lambda: LambdaServer) -> Callable[[EstimateReply], PlannerClient]:
    def answering_client(reply: EstimateReply) -> PlannerClient:
        if not is_real:
            return FakePlannerClient(reply.estimate or (reply.error.to_error() if reply.error else InternalError()))
        aws_lambda.body = reply.model_dump_json(exclude_none=True).encode()
        return create_client(aws_lambda)

    return answering_client


def test_an_estimate_is_returned_as_the_function_gave_it(answering: Callable[[EstimateReply], PlannerClient]) -> None:
    assert answering(EstimateReply(estimate=ESTIMATE)).estimate(COMMAND) == ESTIMATE


def test_an_error_is_raised_as_the_function_raised_it(answering: Callable[[EstimateReply], PlannerClient]) -> None:
    with pytest.raises(UnfetchableUrl, match="can't be read"):
        answering(EstimateReply(error=ErrorReply.from_error(UNREADABLE))).estimate(COMMAND)


def test_a_reply_without_either_is_a_fault_of_the_service(answering: Callable[[EstimateReply], PlannerClient]) -> None:
    with pytest.raises(InternalError):
        answering(EstimateReply()).estimate(COMMAND)


def test_the_function_is_invoked_with_the_command(aws_lambda: LambdaServer) -> None:
    aws_lambda.body = EstimateReply(estimate=ESTIMATE).model_dump_json(exclude_none=True).encode()
    create_client(aws_lambda).estimate(COMMAND)

    ((_, body),) = aws_lambda.invocations
    assert EstimateCommand.model_validate_json(body) == COMMAND


@pytest.mark.parametrize(
    ("code", "status", "error_type"),
    [("TooManyRequestsException", 429, Overloaded), ("AccessDeniedException", 403, InternalError)],
)
def test_lambdas_refusals_become_errors_that_speak_of_the_input(
    aws_lambda: LambdaServer, code: str, status: int, error_type: type[PigeonholeError]
) -> None:
    aws_lambda.status, aws_lambda.headers, aws_lambda.body = status, {"x-amzn-ErrorType": code}, b"{}"

    with pytest.raises(error_type) as caught:
        create_client(aws_lambda).estimate(COMMAND)

    assert "classification" not in caught.value.message


def test_a_planner_that_gives_no_answer_in_time_is_not_asked_again(aws_lambda: LambdaServer) -> None:
    aws_lambda.body = None

    with pytest.raises(TimedOut, match="input"):
        create_client(aws_lambda, read_timeout=0.3).estimate(COMMAND)

    assert len(aws_lambda.invocations) == 1
