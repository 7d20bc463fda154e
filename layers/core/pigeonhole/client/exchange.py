"""One call of the API: send the request, retry temporary failures, and parse the answer."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from pigeonhole.client.errors import ApiError, UnexpectedAnswer
from pigeonhole.client.flow import Flow, HttpRequest, HttpResponse, Lost, attempt, pause, send
from pigeonhole.contract.classification import ErrorResponse
from pigeonhole.errors import Fault

RETRYABLE_STATUSES = frozenset({429, 500, 502, 503, 504})
REFUSED_STATUSES = frozenset({429})  # the request was not processed, so that any request may be sent again

Answer = TypeVar("Answer", bound=BaseModel)


@dataclass(frozen=True)
class RetryPolicy:
    """When a request is sent again.

    Attributes:
        attempts: How often a request is sent at most.
        connect_attempts: How often it is sent at most if no connection can be made.
        min_pause_s: The pause after the first attempt. Each further pause is twice as long, up to `max_pause_s`.
        max_pause_s: The longest pause. If the API asks for a longer one, such as an hour for a quota, the error is raised.
    """

    attempts: int = 4
    connect_attempts: int = 4
    min_pause_s: float = 0.5
    max_pause_s: float = 30.0

    def pause_s(self, attempts: int, request: HttpRequest, outcome: HttpResponse | Lost) -> float | None:
        """Return how long to wait before the next attempt, None if there is none.

        A pause is up to a quarter longer than it must be, by chance, so that many clients don't return at the same time.

        Args:
            attempts: The number of attempts so far.
            request: The request.
            outcome: The outcome of the last attempt.
        """
        has_connected = isinstance(outcome, HttpResponse) or outcome.was_sent
        if attempts >= (self.attempts if has_connected else self.connect_attempts) or not _may_repeat(request, outcome):
            return None
        asked_s = (retry_after_s(outcome) or 0.0) if isinstance(outcome, HttpResponse) else 0.0
        pause_s = max(min(self.min_pause_s * 2 ** (attempts - 1), self.max_pause_s), asked_s)
        return pause_s * random.uniform(1, 1.25) if pause_s <= self.max_pause_s else None  # noqa: S311 - no secret


def send_with_retries(request: HttpRequest, retries: RetryPolicy) -> Flow[HttpResponse]:
    """Send a request until it has a response that isn't worth a retry.

    Raises:
        ConnectionFailed: The last attempt has no response.
    """
    attempts = 0
    while True:
        outcome = yield from attempt(request)
        attempts += 1
        pause_s = retries.pause_s(attempts, request, outcome)
        if pause_s is None:
            break
        yield from pause(pause_s)
    if isinstance(outcome, Lost):
        raise outcome.error
    return outcome


def call(model: type[Answer], request: HttpRequest) -> Flow[Answer]:
    """Send a request to the API, and return its answer.

    Args:
        model: The contract's model of the answer.
        request: The request.

    Raises:
        ClientError: The request failed.
    """
    response = yield from send(request)
    return parse(model, response)


def parse(model: type[Answer], response: HttpResponse) -> Answer:
    """Parse an answer of the API.

    Raises:
        ApiError: The answer is an error.
        UnexpectedAnswer: The answer isn't one of Pigeonhole's.
    """
    try:
        if 200 <= response.status < 300:
            return model.model_validate_json(response.content)
        body = ErrorResponse.model_validate_json(response.content)
    except ValidationError:
        raise UnexpectedAnswer(
            f"The answer isn't one of Pigeonhole (HTTP {response.status}). Is the URL the whole address, stage included?"
        ) from None
    details = tuple(Fault(fault.get("path", ""), fault.get("message", "")) for fault in body.error.details or ())
    raise ApiError(
        body.message,
        code=body.error.code,
        status=response.status,
        log_id=body.log_id,
        details=details,
        retry_after_s=retry_after_s(response),
    )


def retry_after_s(response: HttpResponse) -> float | None:
    """Return the seconds of `Retry-After`. Pigeonhole sends no dates, so a date counts as absent."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() else None


def _may_repeat(request: HttpRequest, outcome: HttpResponse | Lost) -> bool:
    if isinstance(outcome, Lost):
        return request.is_repeatable or not outcome.was_sent
    return outcome.status in (RETRYABLE_STATUSES if request.is_repeatable else REFUSED_STATUSES)
