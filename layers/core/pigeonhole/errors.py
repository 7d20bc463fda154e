"""The tree of errors. Each leaf has a `code`, an HTTP `status`, and says whether a retry may help (`retryable`).

    PigeonholeError
    ├── InvalidRequest        400 invalid_request      every fault, each with its path
    ├── SampleError                                    a sample or an image label can't be read; `on_error: "null"` skips it
    │   ├── UnreadableImage   400 unreadable_image     the file is no image, or is truncated
    │   ├── UnsupportedMedia  400 unsupported_media    the file has a format that the service doesn't accept
    │   ├── UnfetchableUrl    400 unfetchable_url      the URL didn't give the file: 404, timeout, unknown host
    │   ├── ForbiddenUrl      400 forbidden_url        the URL has a private address, or a forbidden scheme, port or bucket
    │   └── TooLarge          413 too_large            a file, an image or a request is above its limit
    ├── InvalidApiKey         401 invalid_api_key      the API key is missing, unknown or ended
    ├── Forbidden             403 forbidden            API Gateway refused the request
    ├── NotFound              404 not_found            no such route, job, label set, upload result or stack
    ├── MethodNotAllowed      405 method_not_allowed   the route exists, but not for this method
    ├── JobFinished           409 job_finished         the job has ended or was canceled
    ├── PreconditionFailed    412 precondition_failed  If-Match or If-None-Match doesn't hold
    ├── UnsupportedEncoding   415 unsupported_encoding the body's compression or charset isn't one of those that are taken
    ├── IdempotencyMismatch   422 idempotency_mismatch the Idempotency-Key was used for another body
    ├── RateLimited           429 rate_limited         the tenant's rate or quota is used up
    ├── InternalError         500 internal_error       a fault of the service; the message says nothing internal
    ├── Overloaded            503 overloaded           AWS throttled a call, or other callers keep the service busy
    └── TimedOut              504 timed_out            the inference took too long

A message is written for the caller and says how to fix the fault. It never holds a secret, a stack trace or an address that the
caller didn't send.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, TypeVar


@dataclass(frozen=True)
class Fault:
    """One fault of a request.

    Attributes:
        path: The place in the body (`labels.3.value`), empty for the whole body; or the name of a parameter or header.
        message: What must be changed.
    """

    path: str
    message: str


class PigeonholeError(Exception):
    """Base of the tree.

    Attributes:
        code: The code in answers and in messages between functions.
        status: The HTTP status.
        retryable: Whether a retry may help.
        retry_after_s: When to retry. An instance may know better than its class.
        message: The message for the caller.
        details: The single faults, if there are any.
    """

    code: ClassVar[str]
    status: ClassVar[int]
    retryable: ClassVar[bool] = False
    retry_after_s: int | None = None

    def __init__(self, message: str, details: tuple[Fault, ...] = ()) -> None:
        """Create an error with a message for the caller."""
        super().__init__(message)
        self.message = message
        self.details = details


class InvalidRequest(PigeonholeError):
    """The request breaks the contract. `details` has every fault."""

    code, status = "invalid_request", 400


class SampleError(PigeonholeError):
    """A fault of one sample or label value. With `on_error: "null"` a faulty sample doesn't affect the others."""


class UnreadableImage(SampleError):
    """The file is no image, or is truncated."""

    code, status = "unreadable_image", 400


class UnsupportedMedia(SampleError):
    """The file has a format that the service doesn't accept."""

    code, status = "unsupported_media", 400


class UnfetchableUrl(SampleError):
    """The URL didn't give the file."""

    code, status, retryable = "unfetchable_url", 400, True


class ForbiddenUrl(SampleError):
    """The service doesn't connect to this URL."""

    code, status = "forbidden_url", 400


class TooLarge(SampleError):
    """A file, an image or a request is above its limit."""

    code, status = "too_large", 413


class InvalidApiKey(PigeonholeError):
    """The API key is missing, unknown or ended."""

    code, status = "invalid_api_key", 401


class Forbidden(PigeonholeError):
    """API Gateway refused the request."""

    code, status = "forbidden", 403


class NotFound(PigeonholeError):
    """The route or the resource doesn't exist."""

    code, status = "not_found", 404


class MethodNotAllowed(PigeonholeError):
    """The route doesn't exist for this method."""

    code, status = "method_not_allowed", 405


class JobFinished(PigeonholeError):
    """The job has ended or was canceled."""

    code, status = "job_finished", 409


class PreconditionFailed(PigeonholeError):
    """If-Match or If-None-Match doesn't hold."""

    code, status = "precondition_failed", 412


class UnsupportedEncoding(PigeonholeError):
    """The body's compression or charset isn't one of those that are taken."""

    code, status = "unsupported_encoding", 415


class IdempotencyMismatch(PigeonholeError):
    """The Idempotency-Key was used for another body."""

    code, status = "idempotency_mismatch", 422


class RateLimited(PigeonholeError):
    """The tenant's rate or quota is used up."""

    code, status, retryable, retry_after_s = "rate_limited", 429, True, 1

    def __init__(self, message: str, details: tuple[Fault, ...] = (), retry_after_s: int | None = None) -> None:
        """Create an error that may know when to retry."""
        super().__init__(message, details)
        self.retry_after_s = retry_after_s or self.retry_after_s


class InternalError(PigeonholeError):
    """A fault of the service. The message says nothing internal."""

    code, status, retryable = "internal_error", 500, True

    def __init__(
        self, message: str = "Something went wrong on our side. Try again; if it persists, send us the log_id."
    ) -> None:
        """Create an error that has no details."""
        super().__init__(message)


class Overloaded(PigeonholeError):
    """AWS throttled a call, or other callers keep the service busy."""

    code, status, retryable, retry_after_s = "overloaded", 503, True, 2

    def __init__(self, message: str = "The service is busy. Try again.", details: tuple[Fault, ...] = ()) -> None:
        """Create an error with a message that suits most cases."""
        super().__init__(message, details)


class TimedOut(PigeonholeError):
    """The inference took too long."""

    code, status, retryable = "timed_out", 504, True


T = TypeVar("T")


def catch_sample_error(run: Callable[[], T]) -> T | SampleError:
    """Return the result of `run`, or the SampleError that it raised.

    The error is returned without its traceback, whose frames would keep a whole image in memory.
    """
    try:
        return run()
    except SampleError as error:
        return type(error)(error.message, error.details)


def raise_sample_errors(values: Iterable[tuple[str, object]]) -> None:
    """Raise the first SampleError among values, with all of them as its details.

    Args:
        values: Paths in the body, and what `catch_sample_error` returned for each.

    Raises:
        SampleError: At least one of the values is an error.
    """
    errors = [(path, value) for path, value in values if isinstance(value, SampleError)]
    if errors:
        path, first = errors[0]
        raise type(first)(f"{path}: {first.message}", tuple(Fault(path, error.message) for path, error in errors))


def _leaves(base: type[PigeonholeError]) -> list[type[PigeonholeError]]:
    return [leaf for child in base.__subclasses__() for leaf in ([child] if "code" in vars(child) else _leaves(child))]


BY_CODE: dict[str, type[PigeonholeError]] = {leaf.code: leaf for leaf in _leaves(PigeonholeError)}


def from_code(code: str, message: str, details: tuple[Fault, ...] = ()) -> PigeonholeError:
    """Build the error of a code that came from another function. An unknown code becomes an InternalError."""
    leaf = BY_CODE.get(code, InternalError)
    return InternalError() if leaf is InternalError else leaf(message, details)
