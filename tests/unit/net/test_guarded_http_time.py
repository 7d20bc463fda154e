"""A fetch ends with its time, whichever step takes long."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from pigeonhole.errors import UnfetchableUrl
from pigeonhole.net.guarded_http import GuardedClient
from pigeonhole.net.url_rules import NetRules
from support.loopback import Answer, LoopbackServer, SpyBackend, redirect, respond

PUBLIC = "93.184.216.34"
MB = 1_000_000
BRIEF = NetRules(allow_http=True, allow_loopback=True, timeout_s=0.5)


def fetch(fetcher: GuardedClient, url: str) -> bytes:
    return fetcher.fetch(url, max_bytes=MB)


def fetch_briefly(answer: Answer) -> bytes:
    with LoopbackServer(answer) as server:
        return fetch(GuardedClient(BRIEF), server.url("/cat.jpg"))


@pytest.fixture
def promptly() -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < 2.5, "the limit of a whole fetch is 0.5 s"


def drip(data: bytes, tail: bytes) -> Answer:
    """Write `data` at once, then `tail` repeatedly, a byte every 50 ms. Each wait is far below the limit."""

    def answer(connection: socket.socket, _: str) -> None:
        connection.sendall(data)
        for byte in itertools.cycle(tail):
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    return answer


@pytest.mark.usefixtures("promptly")
@pytest.mark.parametrize(
    ("data", "tail"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["body", "chunks", "header", "interim answers"],
)
def test_a_slow_drip_ends_with_the_time_for_the_whole_fetch(data: bytes, tail: bytes) -> None:
    with pytest.raises(UnfetchableUrl, match=r"within 0\.5 s"):
        fetch_briefly(drip(data, tail))


@pytest.mark.usefixtures("promptly")
def test_redirects_share_the_time_of_one_fetch() -> None:
    def slowly(connection: socket.socket, head: str) -> None:
        time.sleep(0.3)
        redirect("/again")(connection, head)

    with pytest.raises(UnfetchableUrl, match="within"):
        fetch_briefly(slowly)


@pytest.mark.usefixtures("promptly")
def test_a_server_that_makes_no_handshake_ends_with_the_time() -> None:
    with LoopbackServer(respond(), mute=True) as server, pytest.raises(UnfetchableUrl, match="within"):
        fetch(GuardedClient(BRIEF), f"https://127.0.0.1:{server.port}/")


@pytest.mark.usefixtures("promptly")
def test_a_slow_resolver_ends_with_the_time() -> None:
    release = threading.Event()

    def resolve(host: str, port: int) -> list[str]:
        release.wait(10)
        return [PUBLIC]

    backend = SpyBackend()
    try:
        with pytest.raises(UnfetchableUrl, match="within"):
            fetch(GuardedClient(BRIEF, resolve=resolve, backend=backend), "http://example.com/")
    finally:
        release.set()
    assert backend.connected == []
