"""Everything that can go wrong, as one tree. Each class has the `code`, the HTTP `status` and whether a retry may help.

    PigeonholeError
    ├── InvalidRequest        400 invalid_request      every fault, each with its path
    ├── SampleError           400                      one image or text that can't be read; `on_error: "null"` survives it
    │   ├── UnreadableImage   400 unreadable_image     not an image, or truncated
    │   ├── UnsupportedMedia  400 unsupported_media    a readable file of a kind that isn't taken
    │   ├── UnfetchableUrl    400 unfetchable_url      the address didn't give the file: 404, timeout, DNS
    │   ├── ForbiddenUrl      400 forbidden_url        private address, disallowed scheme, port or bucket
    │   └── TooLarge          413 too_large            a file, an image or a request above its limit
    ├── InvalidApiKey         401 invalid_api_key
    ├── Forbidden             403 forbidden
    ├── NotFound              404 not_found
    ├── MethodNotAllowed      405 method_not_allowed
    ├── JobFinished           409 job_finished
    ├── PreconditionFailed    412 precondition_failed  If-Match or If-None-Match doesn't hold
    ├── IdempotencyMismatch   422 idempotency_mismatch
    ├── RateLimited           429 rate_limited
    ├── InternalError         500 internal_error       nothing internal in the message
    ├── Overloaded            503 overloaded
    └── TimedOut              504 timed_out

A message is written for the caller and says how to mend the fault; it never holds a secret, a stack or an address that
the caller did not send.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, TypeVar


@dataclass(frozen=True)
class Fault:
    """One fault of a request. `path`: where in the body (`labels.3.value`), empty for the whole of it; or which parameter or
    header."""

    path: str
    message: str


class PigeonholeError(Exception):
    """Base of the tree. `message` is public; `details` lists the single faults, if there are any.

    `retry_after_s`: when to come back; a class's own, unless an error knows better.
    """

    code: ClassVar[str]
    status: ClassVar[int]
    retryable: ClassVar[bool] = False
    retry_after_s: int | None = None

    def __init__(self, message: str, details: tuple[Fault, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class InvalidRequest(PigeonholeError):
    code, status = "invalid_request", 400


class SampleError(PigeonholeError):
    """A fault of one sample or label value, not of the request's form."""


class UnreadableImage(SampleError):
    code, status = "unreadable_image", 400


class UnsupportedMedia(SampleError):
    code, status = "unsupported_media", 400


class UnfetchableUrl(SampleError):
    code, status, retryable = "unfetchable_url", 400, True


class ForbiddenUrl(SampleError):
    code, status = "forbidden_url", 400


class TooLarge(SampleError):
    code, status = "too_large", 413


class InvalidApiKey(PigeonholeError):
    code, status = "invalid_api_key", 401


class Forbidden(PigeonholeError):
    code, status = "forbidden", 403


class NotFound(PigeonholeError):
    code, status = "not_found", 404


class MethodNotAllowed(PigeonholeError):
    code, status = "method_not_allowed", 405


class JobFinished(PigeonholeError):
    code, status = "job_finished", 409


class PreconditionFailed(PigeonholeError):
    code, status = "precondition_failed", 412


class IdempotencyMismatch(PigeonholeError):
    code, status = "idempotency_mismatch", 422


class RateLimited(PigeonholeError):
    code, status, retryable, retry_after_s = "rate_limited", 429, True, 1

    def __init__(self, message: str, details: tuple[Fault, ...] = (), retry_after_s: int | None = None) -> None:
        super().__init__(message, details)
        self.retry_after_s = retry_after_s or self.retry_after_s


class InternalError(PigeonholeError):
    code, status, retryable = "internal_error", 500, True

    def __init__(
        self, message: str = "Something went wrong on our side. Try again; if it persists, send us the log_id."
    ) -> None:
        super().__init__(message)


class Overloaded(PigeonholeError):
    code, status, retryable, retry_after_s = "overloaded", 503, True, 2

    def __init__(self, message: str = "The service is busy. Try again.", details: tuple[Fault, ...] = ()) -> None:
        super().__init__(message, details)


class TimedOut(PigeonholeError):
    code, status, retryable = "timed_out", 504, True


T = TypeVar("T")


def or_error(run: Callable[[], T]) -> T | SampleError:
    """Give what `run` gives, or its SampleError without the traceback, whose frames would keep a whole picture in memory."""
    try:
        return run()
    except SampleError as error:
        return type(error)(error.message, error.details)


def raise_first(found: Iterable[tuple[str, object]]) -> None:
    """Raise the first SampleError among (path in the body, what came of it), with all of them as its details."""
    errors = [(path, it) for path, it in found if isinstance(it, SampleError)]
    if errors:
        path, first = errors[0]
        raise type(first)(f"{path}: {first.message}", tuple(Fault(where, error.message) for where, error in errors))


def _leaves(base: type[PigeonholeError]) -> list[type[PigeonholeError]]:
    return [leaf for child in base.__subclasses__() for leaf in ([child] if "code" in vars(child) else _leaves(child))]


BY_CODE: dict[str, type[PigeonholeError]] = {leaf.code: leaf for leaf in _leaves(PigeonholeError)}


def from_code(code: str, message: str, details: tuple[Fault, ...] = ()) -> PigeonholeError:
    """Build the error that `code` names, as it came over the wire; an unknown code becomes an InternalError."""
    leaf = BY_CODE.get(code, InternalError)
    return InternalError() if leaf is InternalError else leaf(message, details)
