"""A deployed API over HTTP: asked again where that may help, told in words where it doesn't.

httpx is imported when it is needed: every other command would wait a quarter of a second for it.
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

TRIES = 4
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0  # who is to wait longer (a quota that is used up: an hour) is told so instead
TIMEOUT_S = 35.0  # the gateway ends what takes 29
WORTH_A_RETRY = frozenset({429, 500, 502, 503, 504})
PAGE = 100  # the most entries of one answer that lists them

Shape = TypeVar("Shape", bound=BaseModel)


class ApiError(Exception):
    """A request that failed. The message is one line that says how to mend it; `details`: a line for each single fault.

    `code`: the error's, of errors.py, where Pigeonhole answered; `paths`: where in the body it found faults; `may_be_done`:
    nobody knows whether what was asked for has been done.
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
        super().__init__(message)
        self.details = details
        self.code = code
        self.paths = paths
        self.may_be_done = may_be_done


@dataclass(frozen=True)
class Told(Generic[Shape]):
    """An answer: as it came, and as the contract has it."""

    raw: dict[str, Any]
    answer: Shape


@dataclass
class Api:
    """The API at `url` (its base, `https://…/prod`, no slash at the end), called with `key`. Every method raises ApiError.

    The key is in no error and no repr, and goes to that address alone.
    """

    url: str
    key: str = field(repr=False)
    http: httpx.Client = field(repr=False)
    sleep: Callable[[float], None] = time.sleep
    _reached: bool = False

    def call(
        self, shape: type[Shape], method: str, path: str, *, headers: dict[str, str] | None = None, **sent: Any
    ) -> Told[Shape]:
        """Send a request to `path` with the key. `sent`: as of `ask`."""
        answer = self.ask(method, self.url + path, headers={**(headers or {}), "x-api-key": self.key}, **sent)
        return self.told(shape, answer)

    def ask(self, method: str, address: str, *, tries: int = TRIES, **sent: Any) -> httpx.Response:
        """Send a request without the key and give its answer; one that may be better next time is the last of `tries`.

        `sent`: what httpx calls `content`, `json`, `data`, `files`, `params`, `headers` and `timeout`.
        """
        import httpx

        for left in reversed(range(tries)):
            pause_s = FIRST_PAUSE_S * 2 ** (tries - 1 - left)
            try:
                answer = self.http.request(method, address, **sent)
            except httpx.RequestError as error:
                never_there = isinstance(error, httpx.ConnectError) and not self._reached
                if not left or never_there:
                    raise _unreached(error, address) from None
            else:
                self._reached = True
                pause_s = max(pause_s, _retry_after(answer))
                if not left or answer.status_code not in WORTH_A_RETRY or pause_s > LONGEST_PAUSE_S:
                    return answer
            self.sleep(pause_s)
        raise AssertionError("the last try answers or raises")

    def told(self, shape: type[Shape], answer: httpx.Response) -> Told[Shape]:
        """Read an answer that is none of an error."""
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self._foreign(f"HTTP {answer.status_code}, no JSON")
        if answer.is_success:
            return Told(found, self._shaped(shape, found))
        raise _refused(answer, self._shaped(ErrorResponse, found))

    def _shaped(self, shape: type[Shape], found: dict[str, Any]) -> Shape:
        try:
            return shape.model_validate(found)
        except ValidationError:
            raise self._foreign(f"no {shape.__name__}") from None

    def _foreign(self, what: str) -> ApiError:
        return ApiError(
            f"{_shown(self.url)} does not answer like Pigeonhole ({what}). Is it the whole address of the API, stage included?"
        )


@contextmanager
def open_api(url: str, key: str) -> Iterator[Api]:
    """Open the way to an API. Nothing is sent yet. Raises ApiError for an address that is none."""
    import httpx

    try:
        host = httpx.URL(url).host
    except httpx.InvalidURL as error:
        raise ApiError(f"the API's address can't be read ({error}). It is written https://host/stage.") from None
    # A proxy of the environment leads out into the world, not to this machine.
    trust_env = host not in ("127.0.0.1", "localhost", "::1")
    with httpx.Client(timeout=TIMEOUT_S, trust_env=trust_env) as http:
        yield Api(url, key, http)


def _refused(answer: httpx.Response, told: ErrorResponse) -> ApiError:
    message, code = told.message, told.error.code
    faults = [(fault.get("path") or "body", fault.get("message", "")) for fault in told.error.details or ()]
    details, paths = tuple(f"{path}: {fault}" for path, fault in faults), tuple(path for path, _ in faults)
    if answer.status_code == 401:
        message += " Give it as --key or JIGSAWSTACK_API_KEY; `pigeonhole keys create` makes one."
    elif answer.status_code in WORTH_A_RETRY:
        wait_s = _retry_after(answer)
        message += f" It may be tried again in {wait_s:.0f} s." if wait_s > LONGEST_PAUSE_S else ""
        message += f" ({code}, log_id {told.log_id})"
    several = tuple(detail for detail in details if detail != told.message)
    return ApiError(message, several, code=code, paths=paths, may_be_done=answer.status_code >= 500)


def _unreached(error: httpx.RequestError, address: str) -> ApiError:
    import httpx

    if isinstance(error, httpx.TimeoutException):
        return ApiError(f"{_shown(address)} did not answer in {TIMEOUT_S:.0f} s. Try again later.", may_be_done=True)
    return ApiError(
        f"{_shown(address)} can't be reached ({error}). Is it the address of the API (--url), and does it run?",
        may_be_done=not isinstance(error, httpx.ConnectError),
    )


def _shown(address: str) -> str:
    """Scheme, host and port: a user's password may stand before them, and a signature after them."""
    import httpx

    place = httpx.URL(address)
    return f"{place.scheme}://{place.netloc.decode('ascii', 'replace')}"


def _retry_after(answer: httpx.Response) -> float:
    """Seconds, 0 where the answer names none; a date, which nothing of ours sends, counts as none."""
    value = answer.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() else 0.0
