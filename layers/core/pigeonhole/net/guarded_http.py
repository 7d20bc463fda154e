"""Guarded HTTP: the only code that connects to an address that a caller named.

    what        the rule, in the order of the checks                                                        breaking it is
    ──────────  ──────────────────────────────────────────────────────────────────────────────────────────  ──────────────
    spelling    at most 8,192 characters, no control character, no backslash; parsed once, used as parsed   ForbiddenUrl
    scheme      https; http where the deployment allows it                                                  ForbiddenUrl
    user        no name and no password                                                                     ForbiddenUrl
    host        a full name outside of private zones, or an IP address in its canonical spelling            ForbiddenUrl
    port        80 or 443; any on loopback where the deployment allows loopback                             ForbiddenUrl
    address     every address that the name resolves to is public (addresses.py), or an allowed loopback    ForbiddenUrl
    connection  to an address that was checked, never to the name; TLS is verified against the name         UnfetchableUrl
    redirect    checked from the top; at most 3 of them                                                     both
    time        10 s in all: names, connections, redirects, body; a slow drip doesn't extend them           UnfetchableUrl
    status      2xx                                                                                         UnfetchableUrl
    encoding    none: we ask for plain bytes, so that a byte counted is a byte held                         UnfetchableUrl
    size        counted as it streams; an announced size beyond the limit ends the fetch before the body    TooLarge

A post (a webhook's) keeps the same rules, with one answer, whatever its status: no redirect is followed, and no body is read.

Nothing is taken from the environment (no proxy, no netrc, no certificate file); no cookie and no credential is sent; a
Content-Type is never looked at. A message never holds an address that the caller didn't send.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO

import httpcore
import httpx

from pigeonhole import __version__
from pigeonhole.errors import ForbiddenUrl, TooLarge, UnfetchableUrl
from pigeonhole.net.addresses import BAD_PORT, DEFAULT_PORTS, PORTS, Address, check_place, is_loopback, is_public, parse

Resolve = Callable[[str, int], Sequence[str]]
OnBytes = Callable[[int], None]
Clock = Callable[[], float]

MAX_URL_CHARS = 8_192
REDIRECTS = frozenset({301, 302, 303, 307, 308})
Headers = list[tuple[bytes, bytes]]
HEADERS: Headers = [(b"User-Agent", f"Pigeonhole/{__version__}".encode()), (b"Connection", b"close")]
OF_IMAGES: Headers = [(b"Accept", b"image/*, */*;q=0.5"), (b"Accept-Encoding", b"identity")]


@dataclass(frozen=True)
class NetRules:
    """What a deployment may set of the rules. `timeout_s`: for one fetch with all its redirects."""

    allow_http: bool = False
    allow_loopback: bool = False
    timeout_s: float = 10.0
    max_redirects: int = 3


def system_resolve(host: str, port: int) -> list[str]:
    """Ask the system's resolver for a host's addresses. Raises OSError or UnicodeError where there are none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def check_url(url: str, rules: NetRules, *, base: httpx.URL | None = None) -> httpx.URL:
    """Hold a URL, which may be relative to `base`, to the rules that need no network: spelling, scheme, user, host, port.

    Raises ForbiddenUrl, which says the broken rule.
    """
    if len(url) > MAX_URL_CHARS:
        raise ForbiddenUrl(f"the URL is longer than {MAX_URL_CHARS} characters; use a shorter one")
    if "\\" in url:
        raise ForbiddenUrl("the URL holds a backslash; write it as %5C")
    try:
        parsed = base.join(url) if base else httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise ForbiddenUrl("the URL is malformed: a control character, or a host or port that is none") from None
    try:
        host = check_place(
            parsed.scheme,
            has_user=bool(parsed.userinfo),
            host=parsed.raw_host.decode("ascii"),
            port=parsed.port,
            allow_http=rules.allow_http,
            allow_loopback=rules.allow_loopback,
        )
    except ValueError as error:
        raise ForbiddenUrl(f"the URL is not allowed: {error}") from None
    return parsed.copy_with(host=host, fragment=None)


class GuardedClient:
    """Fetches callers' URLs, and posts to them, by the rules. Keeps nothing between fetches: safe to use from several threads.

    `resolve`: (host, port) to addresses; `backend`: opens TCP connections; `ssl_context`: whom to trust, default certifi's.
    """

    def __init__(
        self,
        rules: NetRules,
        *,
        resolve: Resolve = system_resolve,
        backend: httpcore.NetworkBackend | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._rules = rules
        self._resolve = resolve
        self._backend = backend or httpcore.SyncBackend()
        self._tls = ssl_context or httpx.create_ssl_context(trust_env=False)
        self._tls.set_alpn_protocols(["http/1.1"])

    def fetch(self, url: str, *, max_bytes: int, on_bytes: OnBytes | None = None) -> bytes:
        """Get the bytes at `url`, at most `max_bytes` of them.

        `on_bytes`: is told how many bytes came, as they come, and may end the fetch by raising.

        Raises ForbiddenUrl, UnfetchableUrl or TooLarge.
        """
        with self._in_time() as left:
            target = None
            for _ in range(self._rules.max_redirects + 1):
                redirected = target is not None
                try:
                    target = check_url(url, self._rules, base=target)
                    addresses = self._checked_addresses(target, left)
                except ForbiddenUrl as error:
                    raise ForbiddenUrl(f"{'a redirect is refused: ' if redirected else ''}{error.message}") from None
                answer = self._get(target, addresses, left, _Meter(max_bytes, on_bytes))
                if isinstance(answer, bytes):
                    return answer
                url = answer
        raise UnfetchableUrl(f"the URL redirects more than {self._rules.max_redirects} times; use the one that it ends at")

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send `body` and give the answer's status. See ports.Poster.

        Raises ForbiddenUrl or UnfetchableUrl.
        """
        with self._in_time() as left:
            target = check_url(url, self._rules)
            sent = [(name.encode(), value.encode()) for name, value in headers.items()]
            sent.append((b"Content-Length", str(len(body)).encode()))
            with self._exchange("POST", target, self._checked_addresses(target, left), left, sent, body) as answer:
                return answer.status

    @contextmanager
    def _in_time(self) -> Iterator[Clock]:
        """Give what says how much time is left, and tell what goes wrong on the way in the caller's words."""
        try:
            yield partial(_seconds_left, time.monotonic() + self._rules.timeout_s)
        except httpcore.TimeoutException:
            raise UnfetchableUrl(
                f"the URL gave no whole answer within {self._rules.timeout_s:g} s; use a faster server"
            ) from None
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise UnfetchableUrl(_what_broke(error)) from None

    def _checked_addresses(self, target: httpx.URL, left: Clock) -> list[Address]:
        """Resolve once, and hold every address to the rules: one that isn't allowed condemns the name."""
        host, port = target.raw_host.decode("ascii"), _port(target)
        try:
            addresses = [parse(host)]
        except ValueError:
            addresses = [parse(text) for text in self._resolve_within(host, port, left)]
        for address in addresses:
            if self._rules.allow_loopback and is_loopback(address):
                continue
            if not is_public(address):
                raise ForbiddenUrl("the URL's host is not on the public internet; use one that is")
            if port not in PORTS:
                raise ForbiddenUrl(f"the URL is not allowed: {BAD_PORT}")
        return addresses

    def _resolve_within(self, host: str, port: int, left: Clock) -> Sequence[str]:
        """Resolve in a thread of its own, because the system's resolver takes no timeout."""
        answers: queue.SimpleQueue[Sequence[str]] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self._resolve(host, port))
            except (OSError, UnicodeError):
                answers.put(())

        threading.Thread(target=ask, name="resolve", daemon=True).start()
        try:
            found = answers.get(timeout=left())
        except queue.Empty:
            raise httpcore.ConnectTimeout from None
        if not found:
            raise UnfetchableUrl("the URL's host name doesn't resolve; check its spelling")
        return found

    def _get(self, target: httpx.URL, addresses: Sequence[Address], left: Clock, meter: _Meter) -> bytes | str:
        """Make one request. Gives the body, or the URL that a redirect leads to."""
        with self._exchange("GET", target, addresses, left, OF_IMAGES) as answer:
            fields = {name.lower(): value for name, value in answer.headers}
            if answer.status in REDIRECTS and b"location" in fields:
                return fields[b"location"].decode("utf-8", "replace")
            if not 200 <= answer.status < 300:
                raise UnfetchableUrl(f"the URL answered with status {answer.status}; it must give the image to anybody")
            if fields.get(b"content-encoding", b"").lower() not in (b"", b"identity"):
                raise UnfetchableUrl("the URL's server compressed its answer unasked; use another or send the image itself")
            meter.expect(int(fields.get(b"content-length", b"0")))  # h11 lets through up to 20 digits and nothing else
            for chunk in answer.iter_stream():
                meter.add(chunk)
        return meter.body.getvalue()

    @contextmanager
    def _exchange(
        self,
        method: str,
        target: httpx.URL,
        addresses: Sequence[Address],
        left: Clock,
        headers: Headers,
        body: bytes | None = None,
    ) -> Iterator[httpcore.Response]:
        """Make one request, and close its connection when the answer has been used."""
        url = httpcore.URL(scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path)
        connection = httpcore.HTTPConnection(
            url.origin,
            network_backend=_CheckedBackend(addresses, self._backend, self._tls, left),
            # httpcore alters the context that it is given, which isn't safe while another thread shakes hands with it: this one
            # is thrown away, and _TimedStream.start_tls uses ours.
            ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        )
        sent = [(b"Host", target.netloc), *HEADERS, *headers]
        with connection, connection.stream(method, url, headers=sent, content=body) as answer:
            yield answer


def _port(url: httpx.URL) -> int:
    return DEFAULT_PORTS[url.scheme] if url.port is None else url.port


def _what_broke(error: Exception) -> str:
    if isinstance(error.__cause__, ssl.SSLCertVerificationError):
        return "the URL's certificate is not valid for its host; use a server whose certificate is"
    if isinstance(error, httpcore.ConnectError):
        return "no connection could be made to the URL's server; check that it is up and speaks TLS 1.2 or later"
    return "the URL's server broke off or sent what is not HTTP; see that it works and try again"


def _seconds_left(ends: float) -> float:
    """Seconds until `ends` (time.monotonic's clock), more than 0. Raises httpcore.ReadTimeout where there are none."""
    left = ends - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout
    return left


class _Meter:
    """Gathers a body and holds it to its limit as it comes."""

    def __init__(self, max_bytes: int, on_bytes: OnBytes | None) -> None:
        self.body = BytesIO()
        self._max_bytes = max_bytes
        self._on_bytes = on_bytes

    def expect(self, count: int) -> None:
        if count > self._max_bytes:
            raise TooLarge(f"the file at the URL is larger than {self._max_bytes / 1e6:g} MB; use a smaller one")

    def add(self, chunk: bytes) -> None:
        self.expect(self.body.tell() + len(chunk))
        if self._on_bytes is not None:
            self._on_bytes(len(chunk))
        self.body.write(chunk)


class _CheckedBackend(httpcore.NetworkBackend):
    """Connects to the addresses that were checked, whatever the host's name may resolve to by now."""

    def __init__(
        self, addresses: Sequence[Address], backend: httpcore.NetworkBackend, tls: ssl.SSLContext, left: Clock
    ) -> None:
        self._addresses, self._backend, self._tls, self._left = addresses, backend, tls, left

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        failed: Exception = httpcore.ConnectError()
        for tried, address in enumerate(self._addresses):
            share = self._left() / (len(self._addresses) - tried)  # so that a dead one leaves time for the next
            try:
                stream = self._backend.connect_tcp(str(address), port, timeout=share)
                return _TimedStream(stream, self._tls, self._left)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed


class _TimedStream(httpcore.NetworkStream):
    """A stream whose every wait ends when the fetch's time does."""

    def __init__(self, stream: httpcore.NetworkStream, tls: ssl.SSLContext, left: Clock) -> None:
        self._stream, self._tls, self._left = stream, tls, left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _TimedStream(self._stream.start_tls(self._tls, server_hostname, self._left()), self._tls, self._left)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
