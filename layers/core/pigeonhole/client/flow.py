"""Operations without I/O: generators that yield what is to be done, and get its outcome.

An operation is a `Flow`. It yields steps, and gets the outcome of each:

    HttpRequest   send it, with retries          HttpResponse
    Attempt       send a request once            HttpResponse or Lost
    Pause         wait                           None
    Read          read files, encode images      what it returns
    Parallel      run flows at the same time     a list of their results

`Client` performs the steps with threads, and `AsyncClient` with tasks. So everything that decides something is written once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar

from pigeonhole.client.errors import ConnectionFailed

T = TypeVar("T")
Method = Literal["GET", "POST", "PUT", "DELETE"]


@dataclass(frozen=True)
class HttpRequest:
    """A request to send.

    Attributes:
        method: The HTTP method.
        address: A path after the API's base address, or a whole address, which doesn't get the API key.
        params: The query.
        headers: Further headers.
        content: The body.
        form: The fields of a form, if the body is one.
        file: The file of the form.
        is_repeatable: Whether the request may be sent again if its answer was lost.
    """

    method: Method
    address: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    form: Mapping[str, str] | None = None
    file: bytes | None = None
    is_repeatable: bool = True

    @property
    def is_to_api(self) -> bool:
        """Whether the request is sent to the API."""
        return self.address.startswith("/")


@dataclass(frozen=True)
class HttpResponse:
    """A response, whatever its status.

    Attributes:
        status: The HTTP status.
        headers: The headers, whose names are in lower case.
        content: The body.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True)
class Lost:
    """A request without a response.

    Attributes:
        error: What the caller of the client gets in the end.
        was_sent: Whether the API may have got the request.
    """

    error: ConnectionFailed
    was_sent: bool


@dataclass(frozen=True)
class Attempt:
    """A request that is sent once."""

    request: HttpRequest


@dataclass(frozen=True)
class Pause:
    """A time to wait."""

    seconds: float


@dataclass(frozen=True)
class Read:
    """Work that would block an event loop, such as to read files. An error that it raises ends the flow.

    Attributes:
        function: Does the work.
    """

    function: Callable[[], Any]


@dataclass(frozen=True)
class Parallel:
    """Flows that run at the same time, a limited number of them.

    Attributes:
        flows: The flows. The next one is taken only when it can be started, because it may hold megabytes.
        on_end: Called with the result of each flow when it ends.
    """

    flows: Iterator[Flow[Any]]
    on_end: Callable[[Any], None]


Step: TypeAlias = HttpRequest | Attempt | Pause | Read | Parallel
Flow: TypeAlias = Generator[Step, Any, T]


def send(request: HttpRequest) -> Flow[HttpResponse]:
    """Send a request, with retries."""
    response: HttpResponse = yield request
    return response


def attempt(request: HttpRequest) -> Flow[HttpResponse | Lost]:
    """Send a request once."""
    outcome: HttpResponse | Lost = yield Attempt(request)
    return outcome


def pause(seconds: float) -> Flow[None]:
    """Wait."""
    yield Pause(seconds)


def read(function: Callable[[], T]) -> Flow[T]:
    """Do work that would block an event loop, and return its result."""
    result: T = yield Read(function)
    return result


def parallel(flows: Iterator[Flow[T]], on_end: Callable[[T], None] = lambda result: None) -> Flow[list[T]]:
    """Run flows at the same time, and return their results in order. The first error ends all of them."""
    results: list[T] = yield Parallel(flows, on_end)
    return results
