"""ClassifierClient: the fake and Lambda's adapter behave alike, and Lambda's errors become the service's."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator

import boto3
import pytest
from botocore.config import Config

from pigeonhole.aws.lambda_invoke import FunctionFailed, LambdaClassifier
from pigeonhole.contract.classification import ClassificationRequest
from pigeonhole.contract.commands import ClassifyCommand, ClassifyReply, DescribeCommand
from pigeonhole.errors import InternalError, Overloaded, PigeonholeError, TimedOut, TooLarge
from pigeonhole.ports import ClassifierClient
from support.fakes import MODEL, FakeClassifierClient, error_reply, first_label
from support.lambda_server import LambdaServer

REQUEST = {"dataset": [{"type": "text", "value": "schön 🐦"}], "labels": [{"type": "text", "value": name} for name in "ab"]}
CLASSIFY = ClassifyCommand(log_id="l", tenant_id="t", request=ClassificationRequest.model_validate(REQUEST))
DESCRIBE = DescribeCommand(log_id="l")
FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:classify:live"


@pytest.fixture
def aws_lambda() -> Iterator[LambdaServer]:
    with LambdaServer() as server:
        yield server


def create_client(server_url: str, read_timeout: float = 10.0) -> LambdaClassifier:
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=read_timeout)
    options = {"region_name": "eu-west-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
    return LambdaClassifier(boto3.client("lambda", endpoint_url=server_url, config=config, **options), FUNCTION)


@pytest.fixture
def answering(is_real: bool, aws_lambda: LambdaServer) -> Callable[[ClassifyReply], ClassifierClient]:
    def answering_client(reply: ClassifyReply) -> ClassifierClient:
        if not is_real:
            return FakeClassifierClient(reply)
        aws_lambda.body = reply.model_dump_json(exclude_none=True).encode()
        return create_client(aws_lambda.url)

    return answering_client


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        (CLASSIFY, ClassifyReply(result=first_label(CLASSIFY))),
        (DESCRIBE, ClassifyReply(model=MODEL)),
        (CLASSIFY, error_reply("unreadable_image", "truncated", {"path": "dataset.0.value", "message": "truncated"})),
    ],
)
def test_a_reply_is_returned_as_the_function_gave_it(
    answering: Callable[[ClassifyReply], ClassifierClient], command: ClassifyCommand | DescribeCommand, reply: ClassifyReply
) -> None:
    assert answering(reply).call(command) == reply


def test_the_function_is_invoked_with_the_command_as_json_in_utf_8(aws_lambda: LambdaServer) -> None:
    aws_lambda.body = ClassifyReply(result=first_label(CLASSIFY)).model_dump_json().encode()
    create_client(aws_lambda.url).call(CLASSIFY)

    ((path, body),) = aws_lambda.invocations
    assert path == f"/2015-03-31/functions/{FUNCTION.replace(':', '%3A')}/invocations"
    assert ClassifyCommand.model_validate_json(body) == CLASSIFY
    assert "schön 🐦".encode() in body


def raised(aws_lambda: LambdaServer, read_timeout: float = 10.0) -> PigeonholeError:
    with pytest.raises(PigeonholeError) as caught:
        create_client(aws_lambda.url, read_timeout).call(CLASSIFY)
    assert len(aws_lambda.invocations) == 1, "an inference is never repeated"
    return caught.value


@pytest.mark.parametrize(
    ("code", "status", "error_type"),
    [
        ("TooManyRequestsException", 429, Overloaded),
        ("ServiceException", 500, Overloaded),
        ("EC2ThrottledException", 502, Overloaded),
        ("RequestTooLargeException", 413, TooLarge),
        ("RequestEntityTooLargeException", 413, TooLarge),
        ("ResourceNotFoundException", 404, InternalError),
        ("AccessDeniedException", 403, InternalError),
    ],
)
def test_lambdas_refusals_become_errors_of_the_service(
    aws_lambda: LambdaServer, code: str, status: int, error_type: type[PigeonholeError]
) -> None:
    aws_lambda.status, aws_lambda.headers = status, {"x-amzn-ErrorType": code}
    aws_lambda.body = b'{"Message": "about function:classify in account 123456789012"}'

    error = raised(aws_lambda)

    assert type(error) is error_type
    assert "123456789012" not in error.message


@pytest.mark.parametrize(
    ("report", "error_type"),
    [
        ({"errorType": "Sandbox.Timedout", "errorMessage": "RequestId: x Error: Task timed out after 27.00 seconds"}, TimedOut),
        ({"errorMessage": "2026-11-21T03:12:00Z 0f6a Task timed out after 27.00 seconds"}, TimedOut),
        ({"errorType": "Function.ResponseSizeTooLarge", "errorMessage": "payload size exceeded"}, TooLarge),
        ({"errorType": "Runtime.ImportModuleError", "errorMessage": "No module named 'secret'"}, InternalError),
        ({"errorType": "Runtime.OutOfMemory", "errorMessage": "secret"}, InternalError),
        ({"errorType": "ValueError", "errorMessage": "a secret sample: Task timed out"}, InternalError),
    ],
)
def test_a_failed_run_is_reported_without_its_message(
    aws_lambda: LambdaServer, report: dict[str, str], error_type: type[PigeonholeError]
) -> None:
    aws_lambda.headers, aws_lambda.body = {"X-Amz-Function-Error": "Unhandled"}, json.dumps(report).encode()

    error = raised(aws_lambda)

    assert type(error) is error_type
    assert isinstance(error.__cause__, FunctionFailed)
    assert "secret" not in f"{error.message} {error.__cause__}"


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"not json", b'{"version": 2}', b'{"result": {"predictions": "secret"}}']
)
@pytest.mark.parametrize("headers", [{}, {"X-Amz-Function-Error": "Unhandled"}])
def test_an_unreadable_answer_is_an_internal_error(aws_lambda: LambdaServer, body: bytes, headers: dict[str, str]) -> None:
    aws_lambda.body, aws_lambda.headers = body, headers

    error = raised(aws_lambda)

    assert type(error) is InternalError
    assert "secret" not in f"{error.message} {error.__cause__}"


def test_an_answer_that_takes_too_long_times_out_without_a_retry(aws_lambda: LambdaServer) -> None:
    aws_lambda.body = None

    assert type(raised(aws_lambda, read_timeout=0.2)) is TimedOut


def test_a_lambda_that_cannot_be_reached_is_an_overload() -> None:
    with socket.socket() as unconnected:  # bound, but not listening
        unconnected.bind(("127.0.0.1", 0))
        client = create_client(f"http://127.0.0.1:{unconnected.getsockname()[1]}")
        with pytest.raises(Overloaded):
            client.call(CLASSIFY)


def test_a_command_above_lambdas_limit_is_not_sent(aws_lambda: LambdaServer) -> None:
    samples = [{"type": "image", "value": "data:image/png;base64," + "A" * 7_000_000}]
    request = ClassificationRequest.model_validate(REQUEST | {"dataset": samples})

    with pytest.raises(TooLarge, match="by URL"):
        create_client(aws_lambda.url).call(ClassifyCommand(log_id="l", tenant_id="t", request=request))

    assert aws_lambda.invocations == []
