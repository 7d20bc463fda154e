"""HTTP client of a deployed API: it retries temporary failures and explains the other ones.

httpx is imported only when a request is sent. Its import takes a quarter of a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from pigeonhole.contract.classification import ErrorResponse

if TYPE_CHECKING:
    import httpx

MAX_ATTEMPTS = 4
# A longer pause, such as an hour for an exhausted quota, is reported as an error instead.
MIN_PAUSE_S, MAX_PAUSE_S = 0.5, 30.0
TIMEOUT_S = 35.0  # API Gateway ends a request after 29 s
RETRYABLE_STATUSES = frozenset({429, 500, 502, 503, 504})
PAGE_SIZE = 100  # the largest page of a listing

Body = TypeVar("Body", bound=BaseModel)


class ApiError(Exception):
    """A request that failed. The message is one line that says what to do.

    Attributes:
        details: One line for each single fault.
        code: The error code (see `pigeonhole.errors`), if Pigeonhole answered.
        paths: The paths in the request's body at which the API found faults.
        may_be_done: Whether the API may have carried out the request nevertheless.
    """

    def __init__(
        self,
        message: str,
        details: tuple[str, ...] = (),
        *,
        code: str | None = None,
        paths: tuple[str, ...] = (),
        may_be_done: bool = False,
    ) -> None:
        """Create an error. The arguments are the attributes."""
        super().__init__(message)
        self.details = details
        self.code = code
        self.paths = paths
        self.may_be_done = may_be_done


@dataclass(frozen=True)
class ApiResponse(Generic[Body]):
    """A successful response.

    Attributes:
        raw: The JSON object as it was received.
        body: The same object as a model of the contract.
    """

    raw: dict[str, Any]
    body: Body


@dataclass
class ApiClient:
    """A client of one API. Every method raises ApiError.

    The API key is in no error and no repr, and is sent only to `url`.

    Attributes:
        url: The API's base address, stage included, without a slash at the end: `https://…/prod`.
        api_key: The caller's API key.
        http: The connections.
        sleep: Waits for a number of seconds.
    """

    url: str
    api_key: str = field(repr=False)
    http: httpx.Client = field(repr=False)
    sleep: Callable[[float], None] = time.sleep
    _has_connected: bool = False

    def call(
        self, model: type[Body], method: str, path: str, *, headers: dict[str, str] | None = None, **arguments: Any
    ) -> ApiResponse[Body]:
        """Send a request to `path` with the API key, and parse the response.

        Args:
            model: The contract's model of the response.
            method: The HTTP method.
            path: The path after the API's base address.
            headers: Further headers.
            **arguments: Passed on to `request`.
        """
        response = self.request(method, self.url + path, headers={**(headers or {}), "x-api-key": self.api_key}, **arguments)
        return self.parse(model, response)

    def request(self, method: str, address: str, *, attempts: int = MAX_ATTEMPTS, **arguments: Any) -> httpx.Response:
        """Send a request without the API key, and retry temporary failures.

        Args:
            method: The HTTP method.
            address: The whole address.
            attempts: The number of attempts. The response of the last attempt is returned whatever its status.
            **arguments: httpx's `content`, `json`, `data`, `files`, `params`, `headers` and `timeout`.
        """
        import httpx

        for remaining in reversed(range(attempts)):
            pause_s = MIN_PAUSE_S * 2 ** (attempts - 1 - remaining)
            try:
                response = self.http.request(method, address, **arguments)
            except httpx.RequestError as error:
                is_wrong_address = isinstance(error, httpx.ConnectError) and not self._has_connected
                if not remaining or is_wrong_address:
                    raise _connection_error(error, address) from None
            else:
                self._has_connected = True
                pause_s = max(pause_s, _retry_after_s(response))
                if not remaining or response.status_code not in RETRYABLE_STATUSES or pause_s > MAX_PAUSE_S:
                    return response
            self.sleep(pause_s)
        raise AssertionError("the last attempt returns or raises")

    def parse(self, model: type[Body], response: httpx.Response) -> ApiResponse[Body]:
        """Parse a response, and raise the ApiError that it reports, if any."""
        try:
            content = response.json()
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise self._not_pigeonhole(f"HTTP {response.status_code}, no JSON")
        if response.is_success:
            return ApiResponse(content, self._validate(model, content))
        raise _to_api_error(response, self._validate(ErrorResponse, content))

    def _validate(self, model: type[Body], content: dict[str, Any]) -> Body:
        try:
            return model.model_validate(content)
        except ValidationError:
            raise self._not_pigeonhole(f"no {model.__name__}") from None

    def _not_pigeonhole(self, reason: str) -> ApiError:
        return ApiError(
            f"{_origin(self.url)} does not answer like Pigeonhole ({reason}). "
            "Is it the whole address of the API, stage included?"
        )


@contextmanager
def open_client(url: str, api_key: str) -> Iterator[ApiClient]:
    """Create a client. No request is sent yet.

    Raises:
        ApiError: The address can't be parsed.
    """
    import httpx

    try:
        host = httpx.URL(url).host
    except httpx.InvalidURL as error:
        raise ApiError(f"the API's address can't be read ({error}). It must look like https://host/stage.") from None
    # A proxy from the environment can't reach this machine.
    trust_env = host not in ("127.0.0.1", "localhost", "::1")
    with httpx.Client(timeout=TIMEOUT_S, trust_env=trust_env) as http:
        yield ApiClient(url, api_key, http)


def _to_api_error(response: httpx.Response, body: ErrorResponse) -> ApiError:
    message, code = body.message, body.error.code
    faults = [(fault.get("path") or "body", fault.get("message", "")) for fault in body.error.details or ()]
    lines, paths = tuple(f"{path}: {fault}" for path, fault in faults), tuple(path for path, _ in faults)
    if response.status_code == 401:
        message += " Give it as --key or JIGSAWSTACK_API_KEY; `pigeonhole keys create` makes one."
    elif response.status_code in RETRYABLE_STATUSES:
        pause_s = _retry_after_s(response)
        message += f" It may be tried again in {pause_s:.0f} s." if pause_s > MAX_PAUSE_S else ""
        message += f" ({code}, log_id {body.log_id})"
    details = tuple(line for line in lines if line != body.message)
    return ApiError(message, details, code=code, paths=paths, may_be_done=response.status_code >= 500)


def _connection_error(error: httpx.RequestError, address: str) -> ApiError:
    import httpx

    if isinstance(error, httpx.TimeoutException):
        return ApiError(f"{_origin(address)} did not answer in {TIMEOUT_S:.0f} s. Try again later.", may_be_done=True)
    return ApiError(
        f"{_origin(address)} can't be reached ({error}). Is it the address of the API (--url), and does it run?",
        may_be_done=not isinstance(error, httpx.ConnectError),
    )


def _origin(address: str) -> str:
    """Return scheme, host and port. The rest of an address may hold a password or a signature."""
    import httpx

    parsed = httpx.URL(address)
    return f"{parsed.scheme}://{parsed.netloc.decode('ascii', 'replace')}"


def _retry_after_s(response: httpx.Response) -> float:
    """Return the seconds of `Retry-After`, or 0. Pigeonhole sends no dates, so a date counts as absent."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() else 0.0
