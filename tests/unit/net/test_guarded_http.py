"""A refused URL never reaches a socket, and a connection goes to the address that was checked."""

from __future__ import annotations

import itertools
import re
import socket
import ssl

import httpx
import pytest

from pigeonhole.errors import ForbiddenUrl, UnfetchableUrl
from pigeonhole.net.guarded_http import GuardedClient
from pigeonhole.net.url_rules import NetRules
from support.hostile_urls import HOSTILE, HOSTILE_ANSWERS, HOSTILE_REDIRECTS
from support.loopback import LoopbackServer, RoutingBackend, SpyBackend, SpyResolver, redirect, respond

PUBLIC = "93.184.216.34"
MB = 1_000_000
LOCAL = NetRules(allow_http=True, allow_loopback=True, timeout_s=5)
STRICT = NetRules(allow_http=True, timeout_s=5)  # for the tests that need no TLS


def fetch(fetcher: GuardedClient, url: str, max_bytes: int = MB) -> bytes:
    return fetcher.fetch(url, max_bytes=max_bytes)


@pytest.fixture(scope="module")
def tls_context() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)  # creating one takes 20 ms, so the tests without a connection share it


# --- what is refused -------------------------------------------------------------------------------------------------------


def test_the_table_has_at_least_forty_hostile_urls() -> None:
    assert len(set(HOSTILE)) >= 40


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_url_is_refused_before_any_lookup_or_socket(url: str, tls_context: ssl.SSLContext) -> None:
    resolver, backend = SpyResolver([PUBLIC]), SpyBackend()

    with pytest.raises(ForbiddenUrl):
        fetch(GuardedClient(NetRules(), resolve=resolver, backend=backend, ssl_context=tls_context), url)

    assert backend.connected == []
    assert resolver.lookups == []


@pytest.mark.parametrize("address", HOSTILE_ANSWERS)
@pytest.mark.parametrize("others", [[], [PUBLIC]], ids=["alone", "beside a public one"])
def test_a_name_at_an_address_that_is_not_public_is_refused_before_any_socket(
    address: str, others, tls_context: ssl.SSLContext
) -> None:
    for answer in ([address, *others], [*others, address]):
        backend = SpyBackend()
        fetcher = GuardedClient(NetRules(), resolve=SpyResolver(answer), backend=backend, ssl_context=tls_context)

        with pytest.raises(ForbiddenUrl) as refused:
            fetch(fetcher, "https://images.example.com/cat.jpg")

        assert backend.connected == []
        assert address.split("%")[0] not in refused.value.message


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000/", "http://[::1]:8000/", "http://localhost:8000/", "https://127.9.9.9/"]
)
def test_loopback_is_allowed_only_by_the_rules(url: str) -> None:
    resolver = SpyResolver(["127.0.0.1"])
    for rules, outcome in ((LOCAL, UnfetchableUrl), (STRICT, ForbiddenUrl)):
        backend = SpyBackend()
        with pytest.raises(outcome):
            fetch(GuardedClient(rules, resolve=resolver, backend=backend), url)
        assert bool(backend.connected) is (rules is LOCAL)


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "http://169.254.169.254/", "http://0.0.0.0/", "http://example.com:8080/"])
def test_an_allowed_loopback_allows_nothing_else(url: str) -> None:
    backend = SpyBackend()

    with pytest.raises(ForbiddenUrl):
        fetch(GuardedClient(LOCAL, resolve=SpyResolver([PUBLIC]), backend=backend), url)

    assert backend.connected == []


# --- the connection goes to the address that was checked --------------------------------------------------------------------


def test_a_name_that_changes_its_address_after_the_check_is_not_resolved_again() -> None:
    resolver, backend = SpyResolver([PUBLIC], ["127.0.0.1"]), SpyBackend()

    with pytest.raises(UnfetchableUrl):
        fetch(GuardedClient(NetRules(), resolve=resolver, backend=backend), "https://rebind.example.com/")

    assert resolver.lookups == [("rebind.example.com", 443)]
    assert backend.connected == [(PUBLIC, 443)]


def test_the_bytes_come_from_the_server_at_the_checked_address(monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[object] = []
    look_up = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest, **more: (names.append(host), look_up(host, *rest, **more))[1]
    )
    checked = LoopbackServer(respond(b"checked"))
    rebound = LoopbackServer(respond(b"rebound"), host="127.0.0.2", port=checked.port)
    with checked, rebound:
        resolver = SpyResolver(["127.0.0.1"], ["127.0.0.2"])

        assert fetch(GuardedClient(LOCAL, resolve=resolver), f"http://rebind.localhost:{checked.port}/") == b"checked"

    assert rebound.heads == []
    assert set(names) <= {"127.0.0.1", "127.0.0.2"}, "the name is never resolved after the check"


def test_a_name_is_resolved_again_for_each_redirect() -> None:
    with LoopbackServer(redirect("http://images.example.com/2")) as server:
        resolver, backend = SpyResolver([PUBLIC], ["10.0.0.7"]), RoutingBackend(server)

        with pytest.raises(ForbiddenUrl, match="redirect") as refused:
            fetch(GuardedClient(STRICT, resolve=resolver, backend=backend), "http://images.example.com/1")

        assert backend.connected == [(PUBLIC, 80)]
        assert "10.0.0.7" not in refused.value.message


def test_a_dead_address_leaves_time_for_the_next() -> None:
    with LoopbackServer(respond(b"cat")) as server:
        backend = RoutingBackend(server, dead=["2606:4700::1"])
        fetcher = GuardedClient(STRICT, resolve=SpyResolver(["2606:4700::1", PUBLIC]), backend=backend)

        assert fetch(fetcher, "http://example.com/") == b"cat"
        assert backend.connected == [("2606:4700::1", 80), (PUBLIC, 80)]


# --- redirects -------------------------------------------------------------------------------------------------------------


def public_site(*answers) -> tuple[LoopbackServer, RoutingBackend, GuardedClient]:
    """Return a server for every public name, which gives `answers` in turn and then always the last one."""
    turn = itertools.chain(answers, itertools.repeat(answers[-1]))
    server = LoopbackServer(lambda connection, head: next(turn)(connection, head))
    backend = RoutingBackend(server)
    return server, backend, GuardedClient(STRICT, resolve=SpyResolver([PUBLIC]), backend=backend)


@pytest.mark.parametrize("location", [*HOSTILE_REDIRECTS, "/" + "a" * 9_000])
def test_a_redirect_has_the_same_rules(location: str) -> None:
    server, backend, fetcher = public_site(redirect(location), respond(b"never"))
    with server, pytest.raises(ForbiddenUrl, match="redirect") as refused:
        fetch(fetcher, "http://example.com/")

    assert backend.connected == [(PUBLIC, 80)]
    assert location not in refused.value.message


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_followed_relative_or_absolute(status: str) -> None:
    server, _, fetcher = public_site(redirect("b?c", status), redirect("//cdn.example.com/d", status), respond(b"cat"))
    with server:
        assert fetch(fetcher, "http://example.com/a/x") == b"cat"

    assert [head.splitlines()[0] for head in server.heads] == ["GET /a/x HTTP/1.1", "GET /a/b?c HTTP/1.1", "GET /d HTTP/1.1"]
    assert [re.search(r"(?im)^host: (.*)$", head)[1].strip() for head in server.heads][1:] == ["example.com", "cdn.example.com"]


def test_three_redirects_are_followed_and_no_fourth() -> None:
    server, _, fetcher = public_site(*[redirect("/again")] * 3, respond(b"cat"))
    with server:
        assert fetch(fetcher, "http://example.com/") == b"cat"

    server, _, fetcher = public_site(redirect("/again"))
    with server, pytest.raises(UnfetchableUrl, match="more than 3 times"):
        fetch(fetcher, "http://example.com/")
    assert len(server.heads) == 4


def test_a_redirect_carries_no_cookie_and_nothing_of_the_first_host() -> None:
    away = respond(status="302 Found", headers=["Location: http://other.example.org/", "Set-Cookie: id=1; Path=/"])
    server, _, fetcher = public_site(away, respond(b"cat"))
    with server:
        fetch(fetcher, "http://example.com/?token=secret")

    assert "cookie" not in server.heads[1].lower()
    assert "secret" not in server.heads[1]
