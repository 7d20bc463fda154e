"""The API's port adds the prefix of the deployed API. The emulated AWS refuses requests from web pages."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pigeonhole_cli.local.asgi import Message
from support.cli.asgi import FakeMinistack, api_port, ask, http_scope


@pytest.mark.parametrize("path", ["/", "/v1/classification", "//v1/classification", "/_ministack/reset"])
def test_a_request_to_the_api_gets_the_prefix_and_keeps_the_rest(route: Path, path: str) -> None:
    backend, scope = FakeMinistack(), http_scope(path)

    ask(api_port(backend, route), scope)

    (forwarded,) = backend.scopes
    assert forwarded["path"] == "/restapis/abc/prod/_user_request_" + path
    assert forwarded["raw_path"] == forwarded["path"].encode()
    assert {**forwarded, "path": path, "raw_path": path.encode()} == scope


def test_an_escaped_path_stays_escaped(route: Path) -> None:
    backend = FakeMinistack()

    ask(api_port(backend, route), http_scope("/v1/a b", raw_path=b"/v1/a%20b"))

    assert backend.scopes[0]["raw_path"].endswith(b"/_user_request_/v1/a%20b")


@pytest.mark.parametrize(
    ("headers", "api_keys"),
    [
        ([(b"authorization", b"Bearer pgh1")], [b"pgh1"]),
        ([(b"authorization", b"Bearer pgh1"), (b"x-api-key", b"pgh2")], [b"pgh2"]),
        ([(b"authorization", b"Bearer pgh1"), (b"x-api-key", b"")], [b"pgh1"]),
        ([(b"authorization", b"Basic pgh1")], []),
        ([(b"x-api-key", b"")], [b""]),
    ],
)
def test_an_api_key_reaches_the_gateway_in_the_header_that_it_reads(
    route: Path, headers: list[tuple[bytes, bytes]], api_keys: list[bytes]
) -> None:
    backend = FakeMinistack()

    ask(api_port(backend, route), http_scope("/v1/account", headers=headers))

    sent = backend.scopes[0]["headers"]
    assert [value for name, value in sent if name == b"x-api-key"] == api_keys
    assert [header for header in headers if header[0] == b"authorization" and header not in sent] == []


@pytest.mark.parametrize("header", [b"origin", b"sec-fetch-site"])
def test_the_emulated_aws_refuses_requests_from_web_pages(route: Path, header: bytes) -> None:
    backend = FakeMinistack()

    headers = [(b"host", b"127.0.0.1:81"), (header, b"https://a.example")]
    start, _ = ask(api_port(backend, route), http_scope("/_ministack/reset", port=81, headers=headers))

    assert (start["status"], backend.scopes) == (403, [])


@pytest.mark.parametrize(
    "hosts",
    [
        [b"evil.example:81"],
        [b"evil.example"],
        [b"127.0.0.1.evil.example:81"],
        [b"bucket.localhost:81"],
        [b"localhost:80"],
        [b"127.0.0.1:81", b"evil.example:81"],
        [],
    ],
)
def test_the_emulated_aws_refuses_other_host_names(route: Path, hosts: list[bytes]) -> None:
    backend = FakeMinistack()

    scope = http_scope("/_ministack/reset", port=81, headers=[(b"host", host) for host in hosts])
    start, _ = ask(api_port(backend, route), scope)

    assert (start["status"], backend.scopes) == (403, [])


@pytest.mark.parametrize("host", [b"127.0.0.1:81", b"localhost:81", b"LocalHost:81", b"localhost"])
def test_the_emulated_aws_accepts_this_machines_host_names(route: Path, host: bytes) -> None:
    backend = FakeMinistack()

    ask(api_port(backend, route), http_scope("/restapis", port=81, headers=[(b"host", host)]))

    assert len(backend.scopes) == 1


def test_the_api_accepts_web_pages_and_any_host_name(route: Path) -> None:
    backend = FakeMinistack()

    headers = [(b"host", b"my-machine.example"), (b"origin", b"https://a.example")]
    ask(api_port(backend, route), http_scope("/v1/health", headers=headers))

    assert len(backend.scopes) == 1


@pytest.mark.parametrize("scope", [http_scope("/restapis", port=81), {"type": "lifespan"}])
def test_the_emulated_aws_and_the_servers_events_are_passed_on_unchanged(route: Path, scope: Message) -> None:
    backend = FakeMinistack()

    ask(api_port(backend, route), scope)

    assert backend.scopes == [scope]


def test_before_the_deployment_the_api_is_overloaded(tmp_path: Path) -> None:
    backend = FakeMinistack()

    start, body = ask(api_port(backend, tmp_path / "route.json"), http_scope("/v1/health"))

    assert backend.scopes == []
    assert start["status"] == 503
    assert b"retry-after" in dict(start["headers"])
    assert json.loads(body["body"])["error"]["code"] == "overloaded"


def test_a_new_deployment_is_served_from_then_on(route: Path) -> None:
    backend = FakeMinistack()
    app = api_port(backend, route)
    ask(app, http_scope("/"))
    route.write_text(json.dumps({"api_id": "new", "stage": "prod", "runs": {}}))
    os.utime(route, ns=(1, 1))

    ask(app, http_scope("/"))

    assert [scope["path"].split("/")[2] for scope in backend.scopes] == ["abc", "new"]


def test_a_websocket_is_closed(route: Path) -> None:
    backend = FakeMinistack()

    assert ask(api_port(backend, route), http_scope("/", type="websocket")) == [{"type": "websocket.close"}]
    assert backend.scopes == []
