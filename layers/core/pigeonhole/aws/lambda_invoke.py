"""Synchronous invocations of functions/classify.

An invocation is never repeated, because a second attempt would run the inference twice.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError, HTTPClientError, ReadTimeoutError
from botocore.exceptions import ConnectionError as BotoConnectionError
from pydantic import ValidationError

from pigeonhole.contract.messages import AnyCommand, ClassifyReply
from pigeonhole.errors import InternalError, Overloaded, PigeonholeError, TimedOut, TooLarge

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import InvocationResponseTypeDef

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024  # Lambda's limit for a synchronous invocation and for its response

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
    """The classify function ended without a response. The message is the runtime's error type, never the runtime's message."""


class LambdaClassifier:
    """The ClassifierClient of a deployment. Its client makes one attempt and has a read timeout."""

    def __init__(self, client: LambdaClient, function: str) -> None:
        """Create the adapter for a function's name or ARN."""
        self._client = client
        self._function = function

    def call(self, command: AnyCommand) -> ClassifyReply:
        """Invoke the function once. See `ClassifierClient.call`."""
        payload = command.model_dump_json(exclude_none=True).encode("utf-8")
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise TooLarge("the request is too large: give large images by URL instead of as data: URLs")
        response = self._invoke(payload)
        if "FunctionError" in response:
            raise _from_failure(response["Payload"].read())
        try:
            return ClassifyReply.model_validate_json(response["Payload"].read())
        except ValidationError as error:
            raise InternalError() from error

    def _invoke(self, payload: bytes) -> InvocationResponseTypeDef:
        try:
            return self._client.invoke(FunctionName=self._function, Payload=payload)
        except ReadTimeoutError as error:
            raise _timed_out() from error
        except (BotoConnectionError, HTTPClientError) as error:
            raise _overloaded() from error
        except ClientError as error:
            raise _from_refusal(error) from error


def _from_refusal(error: ClientError) -> PigeonholeError:
    """Convert Lambda's refusal to run the function to the caller's error."""
    code = error.response["Error"]["Code"]
    if code in _THROTTLED:
        return _overloaded()
    if code in _TOO_LARGE:
        return TooLarge("the request is too large: give large images by URL instead of as data: URLs")
    return InternalError()


def _from_failure(payload: bytes) -> PigeonholeError:
    """Convert the runtime's report of a failed run to the caller's error."""
    try:
        report = json.loads(payload)
    except ValueError:
        report = None
    report = report if isinstance(report, dict) else {}
    error_type = str(report.get("errorType", ""))
    # An older runtime reports a timeout only by its message, "… Task timed out after 28.00 seconds".
    if error_type == "Sandbox.Timedout" or (not error_type and "Task timed out" in str(report.get("errorMessage", ""))):
        error: PigeonholeError = _timed_out()
    elif error_type == "Function.ResponseSizeTooLarge":
        error = TooLarge("the answer would be too large: give image labels a short `key`")
    else:
        error = InternalError()
    error.__cause__ = FunctionFailed(error_type or "unknown error")
    return error


def _timed_out() -> TimedOut:
    return TimedOut("The classification took too long. Send fewer or smaller samples, or try again.")


def _overloaded() -> Overloaded:
    return Overloaded("Too many classifications are running. Try again in a few seconds.")
