"""TLS is verified against the name that the caller gave, by a list of authorities that nobody outside sets."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pigeonhole.errors import UnfetchableUrl
from pigeonhole.net.guarded_http import GuardedClient
from pigeonhole.net.url_rules import NetRules
from support.loopback import LoopbackServer, RoutingBackend, SpyResolver, certificate, respond

PUBLIC = "93.184.216.34"
MB = 1_000_000
LOCAL = NetRules(allow_http=True, allow_loopback=True, timeout_s=5)


def fetch(fetcher: GuardedClient, url: str, max_bytes: int = MB) -> bytes:
    return fetcher.fetch(url, max_bytes=max_bytes)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of its own making for images.example.com, with its key."""
    path = tmp_path_factory.mktemp("tls") / "images.pem"
    path.write_bytes(certificate("images.example.com"))
    return path


@pytest.fixture
def site(authority: Path) -> Iterator[tuple[LoopbackServer, list[str | None]]]:
    """A TLS server, and the names that clients asked it for."""
    asked: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    context.sni_callback = lambda _, name, __: asked.append(name)
    with LoopbackServer(respond(b"cat"), tls=context) as server:
        yield server, asked


def https_fetcher(server: LoopbackServer, trusted: ssl.SSLContext | None) -> GuardedClient:
    return GuardedClient(
        NetRules(timeout_s=5), resolve=SpyResolver([PUBLIC]), backend=RoutingBackend(server), ssl_context=trusted
    )


def test_tls_is_verified_against_the_name_though_the_connection_goes_to_an_address(
    site: tuple[LoopbackServer, list[str | None]], authority: Path
) -> None:
    server, asked = site
    fetcher = https_fetcher(server, ssl.create_default_context(cafile=str(authority)))

    assert fetch(fetcher, "https://images.example.com/") == b"cat"
    assert asked == ["images.example.com"]
    with pytest.raises(UnfetchableUrl, match="certificate"):
        fetch(fetcher, "https://other.example.com/")


def test_a_certificate_of_nobody_known_is_refused_whatever_the_environment_says(
    site: tuple[LoopbackServer, list[str | None]], authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))

    with pytest.raises(UnfetchableUrl, match="certificate"):
        fetch(https_fetcher(site[0], None), "https://images.example.com/")
    assert site[0].heads == []


def test_a_server_without_tls_is_unfetchable_by_https() -> None:
    with LoopbackServer(respond(b"cat")) as server, pytest.raises(UnfetchableUrl):
        fetch(GuardedClient(NetRules(allow_loopback=True, timeout_s=0.5)), f"https://127.0.0.1:{server.port}/")


def test_many_threads_shake_hands_with_one_context(site: tuple[LoopbackServer, list[str | None]], authority: Path) -> None:
    fetcher = https_fetcher(site[0], ssl.create_default_context(cafile=str(authority)))

    with ThreadPoolExecutor(16) as pool:
        bodies = list(pool.map(lambda n: fetch(fetcher, f"https://images.example.com/{n}"), range(32)))

    assert bodies == [b"cat"] * 32
