"""Requests are plain, and only whole answers within the limit of their size are accepted."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import httpcore
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pigeonhole import __version__
from pigeonhole.errors import ForbiddenUrl, PigeonholeError, TooLarge, UnfetchableUrl
from pigeonhole.net.guarded_http import GuardedClient
from pigeonhole.net.url_rules import NetRules
from support.loopback import Answer, LoopbackServer, SpyBackend, SpyResolver, respond
from support.receiver import Receiver

PUBLIC = "93.184.216.34"
MB = 1_000_000
LOCAL = NetRules(allow_http=True, allow_loopback=True, timeout_s=5)


def fetch(client: GuardedClient, url: str, max_bytes: int = MB) -> bytes:
    return client.fetch(url, max_bytes=max_bytes)


def fetch_answer(answer: Answer, max_bytes: int = MB) -> bytes:
    with LoopbackServer(answer) as server:
        return fetch(GuardedClient(LOCAL), server.url("/cat.jpg"), max_bytes)


def test_the_request_is_plain_and_names_pigeonhole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with LoopbackServer(respond(b"proxied")) as proxy, LoopbackServer(respond(b"cat")) as server:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url())
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login me password secret")
        monkeypatch.setenv("NETRC", str(netrc))

        assert fetch(GuardedClient(LOCAL), server.url("/a?b=c#d")) == b"cat"

    assert proxy.heads == []
    lines = server.heads[0].strip().split("\r\n")
    assert lines[0] == "GET /a?b=c HTTP/1.1"
    assert dict(line.lower().split(": ", 1) for line in lines[1:]) == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": "pigeonhole/0.1.0",
        "accept": "image/*, */*;q=0.5",
        "accept-encoding": "identity",
        "connection": "close",
    }


@pytest.mark.parametrize("contact", ["https://example.com/about", "ops@example.com"])
def test_the_request_names_the_operators_contact(contact: str) -> None:
    with LoopbackServer(respond(b"cat")) as server:
        fetch(GuardedClient(replace(LOCAL, contact=contact)), server.url("/a"))

    assert f"User-Agent: Pigeonhole/{__version__} (+{contact})\r\n" in server.heads[0]


@pytest.mark.parametrize("contact", ["a\r\nX-Evil: 1", "a)", "(", "\\", "é", "x" * 201])
def test_a_contact_that_no_header_can_have_is_refused_at_the_start(contact: str) -> None:
    with pytest.raises(ValueError, match="user_agent_contact"):
        NetRules(contact=contact)


@pytest.mark.parametrize(
    "status", ["404 Not Found", "403 Forbidden", "401 Unauthorized", "500 Oops", "304 Not Modified", "300 Many"]
)
def test_a_status_other_than_2xx_is_named(status: str) -> None:
    with pytest.raises(UnfetchableUrl, match=f"status {status[:3]}"):
        fetch_answer(respond(b"x" * (0 if status.startswith("304") else 5), status=status))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("404 Not Found", "no file at this address"),
        ("410 Gone", "no file at this address"),
        ("403 Forbidden", "make it public"),
        ("401 Unauthorized", "make it public"),
        ("429 Too Many Requests", "try again later"),
        ("503 Service Unavailable", "try again later"),
        ("500 Oops", "has a fault"),
        ("204 No Content", "and no file"),
        ("200 OK", "and no file"),
        ("418 Teapot", "doesn't return a file"),
        ("300 Many", "doesn't return a file"),
    ],
)
def test_the_error_says_what_the_answer_of_a_server_means(status: str, said: str) -> None:
    with pytest.raises(UnfetchableUrl, match=f"status {status[:3]}.*{said}"):
        fetch_answer(respond(b"", status=status))


def test_a_redirect_without_a_location_is_a_status_like_others() -> None:
    with pytest.raises(UnfetchableUrl, match="status 302"):
        fetch_answer(respond(status="302 Found"))


@pytest.mark.parametrize("content_type", ["text/html", "application/octet-stream", "image/svg+xml", "nonsense"])
def test_the_content_type_is_ignored(content_type: str) -> None:
    assert fetch_answer(respond(b"\xff\xd8\xff", headers=[f"Content-Type: {content_type}"])) == b"\xff\xd8\xff"


def test_a_body_may_have_exactly_the_limit_and_no_byte_more() -> None:
    assert len(fetch_answer(respond(b"x" * 70_000), max_bytes=70_000)) == 70_000
    with pytest.raises(TooLarge, match=r"0\.07 MB"):
        fetch_answer(respond(b"x" * 70_001), max_bytes=70_000)


def flood(start: bytes, chunk: bytes, sent: list[int]) -> Answer:
    """Write `start`, then `chunk` until the client closes the connection."""

    def answer(connection: socket.socket, _: str) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        connection.sendall(start)
        while True:
            connection.sendall(chunk)
            sent.append(len(chunk))

    return answer


@pytest.mark.parametrize(
    ("start", "chunk"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 10_000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2710\r\n" + b"x" * 10_000 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", b"x" * 10_000),
    ],
    ids=["until closed", "chunked", "announced"],
)
def test_an_endless_body_is_cut_at_the_limit(start: bytes, chunk: bytes) -> None:
    sent: list[int] = []
    with pytest.raises(TooLarge):
        fetch_answer(flood(start, chunk, sent), max_bytes=100_000)

    assert sum(sent) < 10 * MB, "only what fits into the sockets' buffers"


def test_an_announced_size_beyond_the_limit_is_refused_without_reading() -> None:
    read: list[int] = []
    with LoopbackServer(respond(b"x" * 50_000, length=2_000_000)) as server, pytest.raises(TooLarge):
        GuardedClient(LOCAL).fetch(server.url(), max_bytes=MB, on_bytes=read.append)

    assert read == []


def test_endless_headers_are_cut() -> None:
    sent: list[int] = []
    with pytest.raises(UnfetchableUrl):
        fetch_answer(flood(b"HTTP/1.1 200 OK\r\n", b"X-More: " + b"x" * 1_000 + b"\r\n", sent))

    assert sum(sent) < 10 * MB


def test_a_body_shorter_than_announced_is_no_image() -> None:
    with pytest.raises(UnfetchableUrl, match="broke off"):
        fetch_answer(respond(b"x" * 100, length=200))


def test_a_body_longer_than_announced_is_cut_there() -> None:
    assert fetch_answer(respond(b"x" * 200, length=100)) == b"x" * 100


@pytest.mark.parametrize("header", ["Content-Encoding: gzip", "Content-Encoding: br", "Transfer-Encoding: gzip, chunked"])
def test_a_compressed_answer_is_refused_unopened(header: str) -> None:
    bomb = gzip.compress(bytes(50 * MB))
    with pytest.raises(UnfetchableUrl):
        fetch_answer(respond(bomb, headers=[header]))


def test_a_compressed_file_stays_compressed() -> None:
    bomb = gzip.compress(bytes(MB))

    assert fetch_answer(respond(bomb, headers=["Content-Type: application/gzip", "Content-Encoding: identity"])) == bomb


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "5, 6", "1" * 5_000])
def test_an_answer_whose_content_length_is_no_number_is_refused(length: str) -> None:
    def answer(connection: socket.socket, _: str) -> None:
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nhello".encode())

    with pytest.raises(UnfetchableUrl):
        fetch_answer(answer)


@pytest.fixture(scope="module")
def answering() -> Callable[[list[bytes]], GuardedClient]:
    """Return a function that builds a client whose every connection reads these bytes."""
    context = httpx.create_ssl_context(trust_env=False)
    return lambda parts: GuardedClient(
        LOCAL, resolve=SpyResolver([PUBLIC]), backend=httpcore.MockBackend(parts), ssl_context=context
    )


@given(
    st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 302 Found\r\nLocation: ", b"HTTP/1.1 200 OK\r\nContent-Length: "]),
    st.lists(
        st.binary(min_size=1, max_size=200) | st.sampled_from([b"\r\n", b"\r\n\r\n", b"7", b"Transfer-Encoding: chunked"])
    ),
)
def test_any_bytes_of_a_server_end_in_a_body_or_an_error_of_the_service(
    answering: Callable[[list[bytes]], GuardedClient], start: bytes, parts: list[bytes]
) -> None:
    with suppress(PigeonholeError):
        assert len(fetch(answering([start, *parts] if start else parts), "http://example.com/", max_bytes=50)) <= 50


def test_a_closed_port_is_unfetchable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(UnfetchableUrl, match="no connection"):
        fetch(GuardedClient(LOCAL), f"http://127.0.0.1:{port}/")


def test_a_server_that_closes_the_connection_is_unfetchable() -> None:
    with pytest.raises(UnfetchableUrl, match="broke off"):
        fetch_answer(lambda connection, _: connection.close())


def test_an_unknown_name_is_unfetchable() -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    with pytest.raises(UnfetchableUrl, match="doesn't resolve"):
        fetch(GuardedClient(NetRules(), resolve=resolve, backend=SpyBackend()), "https://unknown.example.com/")


def test_bytes_are_reported_as_they_come_and_the_listener_may_end_the_fetch() -> None:
    counts: list[int] = []

    def listen(count: int) -> None:
        counts.append(count)
        if sum(counts) > 200_000:
            raise TooLarge("enough")

    with LoopbackServer(respond(b"x" * 900_000)) as server, pytest.raises(TooLarge, match="enough"):
        GuardedClient(LOCAL).fetch(server.url(), max_bytes=MB, on_bytes=listen)

    assert sum(counts) < 400_000


def test_sixteen_threads_share_a_fetcher() -> None:
    def echo(connection: socket.socket, head: str) -> None:
        path = head.split()[1].encode()
        respond(path * 1_000)(connection, head)

    with LoopbackServer(echo) as server, ThreadPoolExecutor(16) as pool:
        client = GuardedClient(LOCAL)
        paths = [f"/{n}" for n in range(64)]

        assert list(pool.map(lambda path: fetch(client, server.url(path)), paths)) == [path.encode() * 1_000 for path in paths]


# ---------------------------------------------------------------------------------------------------------------- posts


def test_a_post_sends_its_body_and_headers_and_returns_the_status() -> None:
    with Receiver() as receiver:
        status = GuardedClient(LOCAL).post(receiver.url("/hook?a=b"), "bödy".encode(), {"webhook-id": "job_1"})

    (posted,) = receiver.posted
    assert status == 204
    assert (posted.path, posted.body) == ("/hook?a=b", "bödy".encode())
    assert posted.headers == {
        "host": receiver.url("").removeprefix("http://"),
        "user-agent": f"Pigeonhole/{__version__}",
        "connection": "close",
        "webhook-id": "job_1",
        "content-length": "5",
    }


@pytest.mark.parametrize("status", [301, 307, 400, 410, 500, 503])
def test_any_answer_to_a_post_is_its_status_and_no_redirect_is_followed(status: int) -> None:
    with Receiver(status) as receiver:
        assert GuardedClient(LOCAL).post(receiver.url(), b"body", {}) == status

    assert len(receiver.posted) == 1


def test_the_body_of_an_answer_to_a_post_is_not_read() -> None:
    sent: list[int] = []
    with LoopbackServer(flood(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 10_000, sent)) as server:
        assert GuardedClient(LOCAL).post(server.url(), b"body", {}) == 200

    assert sum(sent) < 10 * MB, "only what fits into the sockets' buffers"


@pytest.mark.parametrize(
    "url", ["http://example.com/", "https://user@example.com/", "https://10.0.0.1/", "https://example.com:8443/"]
)
def test_a_post_keeps_the_rules_of_a_fetch(url: str) -> None:
    spy = SpyBackend()

    with pytest.raises(ForbiddenUrl):
        GuardedClient(NetRules(), resolve=SpyResolver([PUBLIC]), backend=spy).post(url, b"body", {})
    assert spy.connected == []


def test_a_post_to_a_name_with_a_private_address_is_refused() -> None:
    spy = SpyBackend()

    with pytest.raises(ForbiddenUrl):
        GuardedClient(NetRules(), resolve=SpyResolver(["169.254.169.254"]), backend=spy).post("https://a.example.com", b"", {})
    assert spy.connected == []


def test_a_post_to_a_silent_receiver_times_out() -> None:
    rules = NetRules(allow_http=True, allow_loopback=True, timeout_s=0.3)
    with LoopbackServer(respond(), mute=True) as server, pytest.raises(UnfetchableUrl, match=r"within 0\.3 s"):
        GuardedClient(rules).post(server.url(), b"body", {})


def test_a_post_to_a_closed_port_is_unfetchable() -> None:
    with Receiver() as receiver:
        url = receiver.url()

    with pytest.raises(UnfetchableUrl, match="no connection"):
        GuardedClient(LOCAL).post(url, b"body", {})
