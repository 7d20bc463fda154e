"""TLS is verified against the name that the caller gave. Callers and the environment can't change the trusted certificates."""

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


def fetch(client: GuardedClient, url: str, max_bytes: int = MB) -> bytes:
    return client.fetch(url, max_bytes=max_bytes)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for images.example.com, with its private key."""
    path = tmp_path_factory.mktemp("tls") / "images.pem"
    path.write_bytes(certificate("images.example.com"))
    return path


@pytest.fixture
def site(authority: Path) -> Iterator[tuple[LoopbackServer, list[str | None]]]:
    """A TLS server, and the server names that clients sent."""
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    context.sni_callback = lambda _, name, __: names.append(name)
    with LoopbackServer(respond(b"cat"), tls=context) as server:
        yield server, names


def https_client(server: LoopbackServer, trusted: ssl.SSLContext | None) -> GuardedClient:
    return GuardedClient(
        NetRules(timeout_s=5), resolve=SpyResolver([PUBLIC]), backend=RoutingBackend(server), ssl_context=trusted
    )


def test_tls_is_verified_against_the_name_although_the_connection_goes_to_an_address(
    site: tuple[LoopbackServer, list[str | None]], authority: Path
) -> None:
    server, names = site
    client = https_client(server, ssl.create_default_context(cafile=str(authority)))

    assert fetch(client, "https://images.example.com/") == b"cat"
    assert names == ["images.example.com"]
    with pytest.raises(UnfetchableUrl, match="certificate"):
        fetch(client, "https://other.example.com/")


def test_an_unknown_certificate_is_refused_whatever_the_environment_says(
    site: tuple[LoopbackServer, list[str | None]], authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))

    with pytest.raises(UnfetchableUrl, match="certificate"):
        fetch(https_client(site[0], None), "https://images.example.com/")
    assert site[0].heads == []


def test_a_server_without_tls_is_unfetchable_by_https() -> None:
    with LoopbackServer(respond(b"cat")) as server, pytest.raises(UnfetchableUrl):
        fetch(GuardedClient(NetRules(allow_loopback=True, timeout_s=0.5)), f"https://127.0.0.1:{server.port}/")


def test_many_threads_make_handshakes_with_one_context(site: tuple[LoopbackServer, list[str | None]], authority: Path) -> None:
    client = https_client(site[0], ssl.create_default_context(cafile=str(authority)))

    with ThreadPoolExecutor(16) as pool:
        bodies = list(pool.map(lambda n: fetch(client, f"https://images.example.com/{n}"), range(32)))

    assert bodies == [b"cat"] * 32
