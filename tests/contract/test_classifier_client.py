"""ports.ClassifierClient: the fake and the Lambda adapter behave alike; what Lambda answers is told in our words."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest
from botocore.config import Config

from fakes import MODEL, FakeClassifierClient, error_reply, first_label
from pigeonhole.aws.lambda_invoke import FunctionFailed, LambdaClassifier
from pigeonhole.contract import ClassificationRequest
from pigeonhole.errors import InternalError, Overloaded, PigeonholeError, TimedOut, TooLarge
from pigeonhole.messages import ClassifyCommand, ClassifyReply, DescribeCommand
from pigeonhole.ports import ClassifierClient

REQUEST = {"dataset": [{"type": "text", "value": "schön 🐦"}], "labels": [{"type": "text", "value": name} for name in "ab"]}
CLASSIFY = ClassifyCommand(log_id="l", tenant_id="t", request=ClassificationRequest.model_validate(REQUEST))
DESCRIBE = DescribeCommand(log_id="l")
FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:classify:live"


@dataclass
class Lambda:
    """Lambda's own API on a loopback port. Answers with `status`, `headers` and `body`; without a body it hangs."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = b"{}"
    invocations: list[tuple[str, bytes]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def client(self, read_timeout: float = 10.0) -> LambdaClassifier:
        config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=read_timeout)
        options = {"region_name": "eu-west-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
        return LambdaClassifier(boto3.client("lambda", endpoint_url=self.url, config=config, **options), FUNCTION)


@pytest.fixture
def aws_lambda() -> Iterator[Lambda]:
    told = Lambda()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.invocations.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            if told.body is None:
                told.ended.wait(30)
                return
            self.send_response(told.status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(told.body)))
            self.end_headers()
            self.wfile.write(told.body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield told
        told.ended.set()
        server.shutdown()
        thread.join()


@pytest.fixture(params=["fake", "lambda"])
def both(request: pytest.FixtureRequest, aws_lambda: Lambda) -> tuple[str, Lambda]:
    return request.param, aws_lambda


def answering(both: tuple[str, Lambda], reply: ClassifyReply) -> ClassifierClient:
    kind, aws_lambda = both
    if kind == "fake":
        return FakeClassifierClient(reply)
    aws_lambda.body = reply.model_dump_json(exclude_none=True).encode()
    return aws_lambda.client()


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        (CLASSIFY, ClassifyReply(result=first_label(CLASSIFY))),
        (DESCRIBE, ClassifyReply(model=MODEL)),
        (CLASSIFY, error_reply("unreadable_image", "truncated", {"path": "dataset.0.value", "message": "truncated"})),
    ],
)
def test_a_reply_comes_back_as_it_was_given(
    both: tuple[str, Lambda], command: ClassifyCommand | DescribeCommand, reply: ClassifyReply
) -> None:
    assert answering(both, reply).call(command) == reply


def test_the_function_is_invoked_with_the_command_as_json_in_utf_8(aws_lambda: Lambda) -> None:
    aws_lambda.body = ClassifyReply(result=first_label(CLASSIFY)).model_dump_json().encode()
    aws_lambda.client().call(CLASSIFY)

    ((path, body),) = aws_lambda.invocations
    assert path == f"/2015-03-31/functions/{FUNCTION.replace(':', '%3A')}/invocations"
    assert ClassifyCommand.model_validate_json(body) == CLASSIFY
    assert "schön 🐦".encode() in body


def raised(aws_lambda: Lambda, read_timeout: float = 10.0) -> PigeonholeError:
    with pytest.raises(PigeonholeError) as caught:
        aws_lambda.client(read_timeout).call(CLASSIFY)
    assert len(aws_lambda.invocations) == 1, "an inference is never repeated"
    return caught.value


@pytest.mark.parametrize(
    ("code", "status", "kind"),
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
def test_lambdas_refusals_are_errors_of_ours(aws_lambda: Lambda, code: str, status: int, kind: type[PigeonholeError]) -> None:
    aws_lambda.status, aws_lambda.headers = status, {"x-amzn-ErrorType": code}
    aws_lambda.body = b'{"Message": "about function:classify in account 123456789012"}'

    error = raised(aws_lambda)

    assert type(error) is kind
    assert "123456789012" not in error.message


@pytest.mark.parametrize(
    ("report", "kind"),
    [
        ({"errorType": "Sandbox.Timedout", "errorMessage": "RequestId: x Error: Task timed out after 27.00 seconds"}, TimedOut),
        ({"errorMessage": "2026-11-21T03:12:00Z 0f6a Task timed out after 27.00 seconds"}, TimedOut),
        ({"errorType": "Function.ResponseSizeTooLarge", "errorMessage": "payload size exceeded"}, TooLarge),
        ({"errorType": "Runtime.ImportModuleError", "errorMessage": "No module named 'secret'"}, InternalError),
        ({"errorType": "Runtime.OutOfMemory", "errorMessage": "secret"}, InternalError),
        ({"errorType": "ValueError", "errorMessage": "a secret sample: Task timed out"}, InternalError),
    ],
)
def test_a_run_that_failed_is_told_without_its_message(
    aws_lambda: Lambda, report: dict[str, str], kind: type[PigeonholeError]
) -> None:
    aws_lambda.headers, aws_lambda.body = {"X-Amz-Function-Error": "Unhandled"}, json.dumps(report).encode()

    error = raised(aws_lambda)

    assert type(error) is kind
    assert isinstance(error.__cause__, FunctionFailed)
    assert "secret" not in f"{error.message} {error.__cause__}"


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"not json", b'{"version": 2}', b'{"result": {"predictions": "secret"}}']
)
@pytest.mark.parametrize("headers", [{}, {"X-Amz-Function-Error": "Unhandled"}])
def test_an_answer_that_makes_no_sense_is_internal(aws_lambda: Lambda, body: bytes, headers: dict[str, str]) -> None:
    aws_lambda.body, aws_lambda.headers = body, headers

    error = raised(aws_lambda)

    assert type(error) is InternalError
    assert "secret" not in f"{error.message} {error.__cause__}"


def test_an_answer_that_takes_too_long_timed_out_and_is_not_asked_for_again(aws_lambda: Lambda) -> None:
    aws_lambda.body = None

    assert type(raised(aws_lambda, read_timeout=0.2)) is TimedOut


def test_a_lambda_that_cannot_be_reached_is_an_overload() -> None:
    with socket.socket() as unheard:  # bound, and nobody listens
        unheard.bind(("127.0.0.1", 0))
        client = Lambda(url=f"http://127.0.0.1:{unheard.getsockname()[1]}").client()
        with pytest.raises(Overloaded):
            client.call(CLASSIFY)


def test_a_command_that_lambda_would_not_take_is_not_sent(aws_lambda: Lambda) -> None:
    samples = [{"type": "image", "value": "data:image/png;base64," + "A" * 7_000_000}]
    request = ClassificationRequest.model_validate(REQUEST | {"dataset": samples})

    with pytest.raises(TooLarge, match="by URL"):
        aws_lambda.client().call(ClassifyCommand(log_id="l", tenant_id="t", request=request))

    assert aws_lambda.invocations == []
