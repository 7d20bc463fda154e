"""Synchronous invocations of functions/classify and functions/plan.

An invocation is never repeated, because a second attempt would do the work twice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import ClientError, HTTPClientError, ReadTimeoutError
from botocore.exceptions import ConnectionError as BotoConnectionError
from pydantic import BaseModel, ValidationError

from pigeonhole.contract.bulk import BulkEstimate
from pigeonhole.contract.commands import AnyCommand, ClassifyReply
from pigeonhole.contract.estimates import EstimateCommand, EstimateReply
from pigeonhole.errors import InternalError, Overloaded, PigeonholeError, TimedOut, TooLarge

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import InvocationResponseTypeDef

Reply = TypeVar("Reply", bound=BaseModel)

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
    """A function ended without a response. The message is the runtime's error type, never the runtime's message."""


@dataclass(frozen=True)
class _Words:
    """What callers read about a function.

    Attributes:
        timed_out: It gave no answer in time.
        overloaded: It can't be run now.
        command_too_large: What it was sent is above Lambda's limit.
        reply_too_large: Its answer is above Lambda's limit.
    """

    timed_out: str
    overloaded: str
    command_too_large: str
    reply_too_large: str


_CLASSIFY = _Words(
    timed_out="The classification took too long. Send fewer or smaller samples, or try again.",
    overloaded="Too many classifications are running. Try again in a few seconds.",
    command_too_large="the request is too large: give large images by URL instead of as data: URLs",
    reply_too_large="the answer would be too large: give image labels a short `key`",
)
_ESTIMATE = _Words(
    timed_out="The input could not be read in time. Try again, or submit the job without `dry_run`.",
    overloaded="Too many inputs are being read. Try again in a few seconds.",
    command_too_large="the request is too large",
    reply_too_large="the answer would be too large",
)


class LambdaClassifier:
    """The ClassifierClient of a deployment. Its client makes one attempt and has a read timeout."""

    def __init__(self, client: LambdaClient, function: str) -> None:
        """Create the adapter for a function's name or ARN."""
        self._function = _Function(client, function, _CLASSIFY)

    def call(self, command: AnyCommand) -> ClassifyReply:
        """Invoke the function once. See `ClassifierClient.call`."""
        return self._function.call(command, ClassifyReply)


class LambdaPlanner:
    """The PlannerClient of a deployment. Its client makes one attempt and has a read timeout."""

    def __init__(self, client: LambdaClient, function: str) -> None:
        """Create the adapter for a function's name or ARN."""
        self._function = _Function(client, function, _ESTIMATE)

    def estimate(self, command: EstimateCommand) -> BulkEstimate:
        """Invoke the function once. See `PlannerClient.estimate`."""
        reply = self._function.call(command, EstimateReply)
        if reply.estimate is None:
            raise reply.error.to_error() if reply.error else InternalError()
        return reply.estimate


@dataclass(frozen=True)
class _Function:
    """A function that is invoked synchronously."""

    client: LambdaClient
    name: str
    words: _Words

    def call(self, command: BaseModel, reply: type[Reply]) -> Reply:
        """Send a command as JSON, and parse the reply."""
        payload = command.model_dump_json(exclude_none=True).encode("utf-8")
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise TooLarge(self.words.command_too_large)
        response = self._invoke(payload)
        if "FunctionError" in response:
            raise self._from_failure(response["Payload"].read())
        try:
            return reply.model_validate_json(response["Payload"].read())
        except ValidationError as error:
            raise InternalError() from error

    def _invoke(self, payload: bytes) -> InvocationResponseTypeDef:
        try:
            return self.client.invoke(FunctionName=self.name, Payload=payload)
        except ReadTimeoutError as error:
            raise TimedOut(self.words.timed_out) from error
        except (BotoConnectionError, HTTPClientError) as error:
            raise Overloaded(self.words.overloaded) from error
        except ClientError as error:
            raise self._from_refusal(error) from error

    def _from_refusal(self, error: ClientError) -> PigeonholeError:
        """Convert Lambda's refusal to run the function to the caller's error."""
        code = error.response["Error"]["Code"]
        if code in _THROTTLED:
            return Overloaded(self.words.overloaded)
        if code in _TOO_LARGE:
            return TooLarge(self.words.command_too_large)
        return InternalError()

    def _from_failure(self, payload: bytes) -> PigeonholeError:
        """Convert the runtime's report of a failed run to the caller's error."""
        try:
            report = json.loads(payload)
        except ValueError:
            report = None
        report = report if isinstance(report, dict) else {}
        error_type = str(report.get("errorType", ""))
        # An older runtime reports a timeout only by its message, "… Task timed out after 28.00 seconds".
        if error_type == "Sandbox.Timedout" or (not error_type and "Task timed out" in str(report.get("errorMessage", ""))):
            error: PigeonholeError = TimedOut(self.words.timed_out)
        elif error_type == "Function.ResponseSizeTooLarge":
            error = TooLarge(self.words.reply_too_large)
        else:
            error = InternalError()
        error.__cause__ = FunctionFailed(error_type or "unknown error")
        return error
