"""What both clients know of HTTP: where the API is, its key, and how steps become httpx's requests."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import httpx

from pigeonhole.client.errors import ConnectionFailed
from pigeonhole.client.flow import HttpRequest, HttpResponse, Lost

TIMEOUT_S = 35.0  # API Gateway ends a request after 29 s
UPLOAD_TIMEOUT_S = 120.0  # without progress of one file
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Endpoint:
    """Where the API is, and its key. The key is in no repr, and is sent to no other address.

    Attributes:
        url: The API's base address, stage included, without a slash at the end.
        api_key: The API key.
    """

    url: str
    api_key: str = field(repr=False)

    def __post_init__(self) -> None:
        """Check both.

        Raises:
            ValueError: The address is no web address, or the key can't be sent as a header.
        """
        if not re.match(r"https?://[^/]", self.url):
            raise ValueError("the API's address must begin with https:// or http://, and name a host")
        if not re.fullmatch(r"[!-~]{1,255}", self.api_key):
            raise ValueError("an API key must have 1 to 255 printable ASCII characters and no spaces")

    @property
    def http_options(self) -> dict[str, Any]:
        """The options of httpx's clients."""
        # A proxy of the environment can't reach this machine.
        return {"timeout": TIMEOUT_S, "trust_env": httpx.URL(self.url).host not in LOOPBACK}

    def to_httpx(self, request: HttpRequest) -> dict[str, Any]:
        """Return a request as the arguments of httpx's `request`."""
        arguments: dict[str, Any] = {"headers": dict(request.headers)}
        if request.params:  # with an empty query, httpx would drop the query of the address
            arguments["params"] = dict(request.params)
        if request.is_to_api:
            arguments["headers"]["x-api-key"] = self.api_key
        if request.form is not None:
            arguments |= {"data": dict(request.form), "files": {"file": request.file}, "timeout": UPLOAD_TIMEOUT_S}
        address = self.url + request.address if request.is_to_api else request.address
        return {"method": request.method, "url": address, "content": request.content, **arguments}


def find_endpoint(url: str, api_key: str) -> Endpoint:
    """Return the endpoint that a caller names.

    Raises:
        ValueError: The address or the key is invalid.
    """
    return Endpoint(url.strip().rstrip("/"), api_key.strip())


def from_httpx(response: httpx.Response) -> HttpResponse:
    """Return what a flow needs of a response."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return HttpResponse(response.status_code, headers, response.content)


def to_lost(error: httpx.RequestError) -> Lost:
    """Return why there is no response. The message has no address: it may hold a signature."""
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
        waited_s = error.request.extensions.get("timeout", {}).get("read") or TIMEOUT_S  # an upload has more time
        return Lost(ConnectionFailed(f"There was no answer in {waited_s:.0f} s. Try again later."), was_sent=True)
    origin = f"{error.request.url.scheme}://{error.request.url.netloc.decode('ascii', 'replace')}"
    message = f"{origin} can't be reached ({error}). Is it the address of the API, and does it run?"
    return Lost(ConnectionFailed(message), was_sent=not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout))
