"""functions/classify, reached by a synchronous invocation that is never repeated: a second try would infer twice."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError, ReadTimeoutError
from botocore.exceptions import ConnectionError as BotoConnectionError
from pydantic import ValidationError

from pigeonhole.contract.messages import AnyCommand, ClassifyReply
from pigeonhole.errors import InternalError, Overloaded, PigeonholeError, TimedOut, TooLarge

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024  # Lambda's, for a synchronous invocation and for its answer

_THROTTLED = {
    "EC2ThrottledException",
    "ENILimitReachedException",
    "ServiceException",
    "ServiceUnavailable",
    "ThrottlingException",
    "TooManyRequestsException",
}
_TOO_LARGE = {"RequestEntityTooLargeException", "RequestTooLargeException"}


class FunctionFailed(Exception):
    """The classify function ended without an answer. Holds the runtime's error type and never its message."""


class LambdaClassifier:
    """The ClassifierClient of a deployment. `client`: a boto3 Lambda client with retries off and a read timeout."""

    def __init__(self, client: Any, function: str) -> None:
        self._client = client
        self._function = function

    def call(self, command: AnyCommand) -> ClassifyReply:
        payload = command.model_dump_json(exclude_none=True).encode("utf-8")
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise TooLarge("the request is too large: give large images by URL instead of as data: URLs")
        answer = self._invoke(payload)
        if "FunctionError" in answer:
            raise _failure(answer["Payload"].read())
        try:
            return ClassifyReply.model_validate_json(answer["Payload"].read())
        except ValidationError as error:
            raise InternalError() from error

    def _invoke(self, payload: bytes) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = self._client.invoke(FunctionName=self._function, Payload=payload)
            return answer
        except ReadTimeoutError as error:
            raise _timed_out() from error
        except (BotoConnectionError, HTTPClientError) as error:
            raise _overloaded() from error
        except ClientError as error:
            raise _refusal(error) from error


def _refusal(error: ClientError) -> PigeonholeError:
    """What Lambda's refusal to run the function means to the caller."""
    code = error.response["Error"]["Code"]
    if code in _THROTTLED:
        return _overloaded()
    if code in _TOO_LARGE:
        return TooLarge("the request is too large: give large images by URL instead of as data: URLs")
    return InternalError()


def _failure(payload: bytes) -> PigeonholeError:
    """What the runtime's report of a failed run means to the caller."""
    try:
        report = json.loads(payload)
    except ValueError:
        report = None
    report = report if isinstance(report, dict) else {}
    kind = str(report.get("errorType", ""))
    # An older runtime reports a timeout by its message alone, "… Task timed out after 28.00 seconds".
    if kind == "Sandbox.Timedout" or (not kind and "Task timed out" in str(report.get("errorMessage", ""))):
        error: PigeonholeError = _timed_out()
    elif kind == "Function.ResponseSizeTooLarge":
        error = TooLarge("the answer would be too large: give image labels a short `key`")
    else:
        error = InternalError()
    error.__cause__ = FunctionFailed(kind or "unknown error")
    return error


def _timed_out() -> TimedOut:
    return TimedOut("The classification took too long. Send fewer or smaller samples, or try again.")


def _overloaded() -> Overloaded:
    return Overloaded("Too many classifications are running. Try again in a few seconds.")
