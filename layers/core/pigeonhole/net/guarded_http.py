"""Guarded HTTP: the only way to connect to an address that a caller named.

    what        the rule, in the order of the checks                                                        if it is broken
    ──────────  ──────────────────────────────────────────────────────────────────────────────────────────  ───────────────
    spelling    at most 8,192 characters, no control character, no backslash; parsed once, used as parsed   ForbiddenUrl
    scheme      https; http where the deployment allows it                                                  ForbiddenUrl
    user        no name and no password                                                                     ForbiddenUrl
    host        a full name outside of private zones, or an IP address in its canonical spelling            ForbiddenUrl
    port        80 or 443; any on loopback where the deployment allows loopback                             ForbiddenUrl
    address     every address that the name resolves to is public (addresses.py), or an allowed loopback    ForbiddenUrl
    connection  to an address that was checked, never to the name; TLS is verified against the name         UnfetchableUrl
    redirect    checked from the top; at most 3 of them                                                     both
    time        10 s in all: names, connections, redirects, body; a slow drip doesn't extend them           UnfetchableUrl
    status      2xx, with a body                                                                            UnfetchableUrl
    encoding    none: the request asks for plain bytes, so that the bytes counted are the bytes stored      UnfetchableUrl
    size        counted as it streams; an announced size above the limit ends the fetch before the body     TooLarge

A POST (of a webhook) has the same rules, with one answer of any status: no redirect is followed, and no body is read.

The client takes nothing from the environment: no proxy, no netrc, no certificate file. It sends no cookie and no credential,
and ignores the Content-Type. An error message never holds an address that the caller didn't send.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO

import httpcore
import httpx

from pigeonhole.errors import ForbiddenUrl, TooLarge, UnfetchableUrl
from pigeonhole.net.addresses import Address
from pigeonhole.net.deadline import Deadline
from pigeonhole.net.pinned_connection import PinnedBackend
from pigeonhole.net.resolve import Resolve, resolve_checked, system_resolve
from pigeonhole.net.url_rules import NetRules, check_url

OnBytes = Callable[[int], None]  # is called with the number of bytes that came
Headers = list[tuple[bytes, bytes]]

REDIRECTS = frozenset({301, 302, 303, 307, 308})
IMAGE_HEADERS: Headers = [(b"Accept", b"image/*, */*;q=0.5"), (b"Accept-Encoding", b"identity")]


class GuardedClient:
    """Fetches callers' URLs, and posts to them, by the rules.

    It holds no state between calls, so several threads may use it.
    """

    def __init__(
        self,
        rules: NetRules,
        *,
        resolve: Resolve = system_resolve,
        backend: httpcore.NetworkBackend | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """Create a client.

        Args:
            rules: The deployment's rules.
            resolve: Resolves host names.
            backend: Opens TCP connections.
            ssl_context: The certificates to trust, certifi's by default.
        """
        self._rules = rules
        self._resolve = resolve
        self._backend = backend or httpcore.SyncBackend()
        self._tls = ssl_context or httpx.create_ssl_context(trust_env=False)
        self._tls.set_alpn_protocols(["http/1.1"])

    def fetch(self, url: str, *, max_bytes: int, on_bytes: OnBytes | None = None) -> bytes:
        """Fetch the bytes at a URL.

        Args:
            url: The caller's URL.
            max_bytes: The limit of the body.
            on_bytes: Is called as bytes come, and may end the fetch by raising.

        Raises:
            ForbiddenUrl: The URL or a redirect breaks a rule.
            UnfetchableUrl: The server doesn't give the file in time.
            TooLarge: The body is larger than `max_bytes`.
        """
        with self._deadline() as deadline:
            target: httpx.URL | None = None
            for _ in range(self._rules.max_redirects + 1):
                is_redirect = target is not None
                try:
                    target = check_url(url, self._rules, base=target)
                    addresses = resolve_checked(target, self._rules, self._resolve, deadline)
                except ForbiddenUrl as error:
                    raise ForbiddenUrl(f"{'a redirect is refused: ' if is_redirect else ''}{error.message}") from None
                answer = self._get(target, addresses, deadline, _Body(max_bytes, on_bytes))
                if isinstance(answer, bytes):
                    return answer
                url = answer
        raise UnfetchableUrl(f"the URL redirects more than {self._rules.max_redirects} times; use the one that it ends at")

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Post a body, and return the status of the answer.

        Raises:
            ForbiddenUrl: The URL breaks a rule.
            UnfetchableUrl: The server doesn't answer in time.
        """
        with self._deadline() as deadline:
            target = check_url(url, self._rules)
            addresses = resolve_checked(target, self._rules, self._resolve, deadline)
            encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
            encoded.append((b"Content-Length", str(len(body)).encode()))
            with self._exchange("POST", target, addresses, deadline, encoded, body) as answer:
                return answer.status

    @contextmanager
    def _deadline(self) -> Iterator[Deadline]:
        """Start the time of a fetch, and translate the errors of httpcore to messages for the caller."""
        try:
            yield Deadline(self._rules.timeout_s)
        except httpcore.TimeoutException:
            raise UnfetchableUrl(
                f"the URL gave no whole answer within {self._rules.timeout_s:g} s; use a faster server"
            ) from None
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise UnfetchableUrl(_to_message(error)) from None

    def _get(self, target: httpx.URL, addresses: Sequence[Address], deadline: Deadline, body: _Body) -> bytes | str:
        """Make one request. Return the body, or the URL to which the server redirects."""
        with self._exchange("GET", target, addresses, deadline, IMAGE_HEADERS) as answer:
            fields = {name.lower(): value for name, value in answer.headers}
            if answer.status in REDIRECTS and b"location" in fields:
                return fields[b"location"].decode("utf-8", "replace")
            if not 200 <= answer.status < 300:
                raise UnfetchableUrl(f"the URL answered with status {answer.status}: {_explain_status(answer.status)}")
            if fields.get(b"content-encoding", b"").lower() not in (b"", b"identity"):
                raise UnfetchableUrl("the URL's server compressed its answer unasked; use another or send the image itself")
            body.check_size(int(fields.get(b"content-length", b"0")))  # h11 accepts at most 20 digits and nothing else
            for data in answer.iter_stream():
                body.add(data)
            if not body.data.tell():
                raise UnfetchableUrl(
                    f"the URL answered with status {answer.status} and no file: use a URL that returns the image"
                )
        return body.data.getvalue()

    @contextmanager
    def _exchange(
        self,
        method: str,
        target: httpx.URL,
        addresses: Sequence[Address],
        deadline: Deadline,
        headers: Headers,
        body: bytes | None = None,
    ) -> Iterator[httpcore.Response]:
        """Make one request, and close its connection after the answer has been used."""
        url = httpcore.URL(scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path)
        connection = httpcore.HTTPConnection(
            url.origin,
            network_backend=PinnedBackend(addresses, self._backend, self._tls, deadline),
            # httpcore changes the context that it gets, which isn't safe while another thread makes a TLS handshake with it.
            # So httpcore gets one of its own, and the stream of PinnedBackend uses this client's.
            ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        )
        all_headers = [
            (b"Host", target.netloc),
            (b"User-Agent", self._rules.user_agent.encode()),
            (b"Connection", b"close"),
            *headers,
        ]
        with connection, connection.stream(method, url, headers=all_headers, content=body) as answer:
            yield answer


def _explain_status(status: int) -> str:
    """Say what a status other than 2xx means for the caller, and what to do."""
    if status in (404, 410):
        return "there is no file at this address, or no longer; check its spelling, or use another URL"
    if status in (401, 402, 403, 407, 451):
        return "its server doesn't give the file to anybody; make it public, or send the image itself"
    if status in (408, 425, 429, 503, 504):
        return "its server is busy, or limits requests; try again later, or send the image itself"
    if status >= 500:
        return "its server has a fault; try again later, or send the image itself"
    return "its server doesn't return a file for this URL; open it in a browser to see what it returns, or use another"


def _to_message(error: Exception) -> str:
    if isinstance(error.__cause__, ssl.SSLCertVerificationError):
        return "the URL's certificate is not valid for its host; use a server whose certificate is"
    if isinstance(error, httpcore.ConnectError):
        return "no connection could be made to the URL's server; check that it is up and speaks TLS 1.2 or later"
    return "the URL's server broke off or sent what is not HTTP; see that it works and try again"


class _Body:
    """Collects a body, and compares its size with the limit as it comes."""

    def __init__(self, max_bytes: int, on_bytes: OnBytes | None) -> None:
        self.data = BytesIO()
        self._max_bytes = max_bytes
        self._on_bytes = on_bytes

    def check_size(self, size_bytes: int) -> None:
        if size_bytes > self._max_bytes:
            raise TooLarge(f"the file at the URL is larger than {self._max_bytes / 1e6:g} MB; use a smaller one")

    def add(self, data: bytes) -> None:
        self.check_size(self.data.tell() + len(data))
        if self._on_bytes is not None:
            self._on_bytes(len(data))
        self.data.write(data)
