"""The API's port only adds the prefix of the deployed API. The emulated AWS refuses requests from web pages."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest

from pigeonhole_cli.local.server import ApiPort

Message = MutableMapping[str, Any]


class Backend:
    """An ASGI app that records the scope of each request."""

    def __init__(self) -> None:
        self.scopes: list[Message] = []

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})


def http(path: str, port: int = 80, **more: Any) -> Message:
    return {
        "type": "http",
        "server": ("127.0.0.1", port),
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"a=1&a=%20",
        "headers": [(b"host", f"127.0.0.1:{port}".encode()), (b"x-api-key", b"k")],
        **more,
    }


def ask(app: ApiPort, scope: Message) -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("only the backend reads the body")

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app.handle(scope, receive, send))
    return sent


@pytest.fixture
def route(tmp_path: Path) -> Path:
    file = tmp_path / "route.json"
    file.write_text(json.dumps({"api_id": "abc", "stage": "prod"}))
    return file


@pytest.mark.parametrize("path", ["/", "/v1/classification", "//v1/classification", "/_ministack/reset"])
def test_a_request_to_the_api_gets_the_prefix_and_keeps_the_rest(route: Path, path: str) -> None:
    backend, scope = Backend(), http(path)

    ask(ApiPort(backend, 80, route), scope)

    (forwarded,) = backend.scopes
    assert forwarded["path"] == "/restapis/abc/prod/_user_request_" + path
    assert forwarded["raw_path"] == forwarded["path"].encode()
    assert {**forwarded, "path": path, "raw_path": path.encode()} == scope


def test_an_escaped_path_stays_escaped(route: Path) -> None:
    backend = Backend()

    ask(ApiPort(backend, 80, route), http("/v1/a b", raw_path=b"/v1/a%20b"))

    assert backend.scopes[0]["raw_path"].endswith(b"/_user_request_/v1/a%20b")


@pytest.mark.parametrize("header", [b"origin", b"sec-fetch-site"])
def test_the_emulated_aws_refuses_requests_from_web_pages(route: Path, header: bytes) -> None:
    backend = Backend()

    headers = [(b"host", b"127.0.0.1:81"), (header, b"https://a.example")]
    start, _ = ask(ApiPort(backend, 80, route), http("/_ministack/reset", port=81, headers=headers))

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
    backend = Backend()

    scope = http("/_ministack/reset", port=81, headers=[(b"host", host) for host in hosts])
    start, _ = ask(ApiPort(backend, 80, route), scope)

    assert (start["status"], backend.scopes) == (403, [])


@pytest.mark.parametrize("host", [b"127.0.0.1:81", b"localhost:81", b"LocalHost:81", b"localhost"])
def test_the_emulated_aws_accepts_this_machines_host_names(route: Path, host: bytes) -> None:
    backend = Backend()

    ask(ApiPort(backend, 80, route), http("/restapis", port=81, headers=[(b"host", host)]))

    assert len(backend.scopes) == 1


def test_the_api_accepts_web_pages_and_any_host_name(route: Path) -> None:
    backend = Backend()

    headers = [(b"host", b"my-machine.example"), (b"origin", b"https://a.example")]
    ask(ApiPort(backend, 80, route), http("/v1/health", headers=headers))

    assert len(backend.scopes) == 1


@pytest.mark.parametrize("scope", [http("/restapis", port=81), {"type": "lifespan"}])
def test_the_emulated_aws_and_the_servers_events_are_passed_on_unchanged(route: Path, scope: Message) -> None:
    backend = Backend()

    ask(ApiPort(backend, 80, route), scope)

    assert backend.scopes == [scope]


def test_before_the_deployment_the_api_is_overloaded(tmp_path: Path) -> None:
    backend = Backend()

    start, body = ask(ApiPort(backend, 80, tmp_path / "route.json"), http("/v1/health"))

    assert backend.scopes == []
    assert start["status"] == 503
    assert (b"retry-after", b"1") in start["headers"]
    assert json.loads(body["body"])["error"]["code"] == "overloaded"


def test_a_new_deployment_is_served_from_then_on(route: Path) -> None:
    backend = Backend()
    app = ApiPort(backend, 80, route)
    ask(app, http("/"))
    route.write_text(json.dumps({"api_id": "new", "stage": "prod"}))
    os.utime(route, ns=(1, 1))

    ask(app, http("/"))

    assert [scope["path"].split("/")[2] for scope in backend.scopes] == ["abc", "new"]


def test_a_websocket_is_closed(route: Path) -> None:
    backend = Backend()

    assert ask(ApiPort(backend, 80, route), http("/", type="websocket")) == [{"type": "websocket.close"}]
    assert backend.scopes == []
