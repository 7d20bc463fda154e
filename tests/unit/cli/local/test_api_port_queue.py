"""Requests wait for a slot in a queue. What needs no slot holds none, and nothing that a function calls waits."""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config

from pigeonhole_cli.local import api_port as local_api_port
from pigeonhole_cli.local.api_port import ApiPort
from pigeonhole_cli.local.asgi import Message
from pigeonhole_cli.local.slots import RETRY_AFTER_S
from support.cli.asgi import FUNCTION, SMALL, Client, FakeMinistack, api_port, ask, http_scope, in_loop, settle, until


@in_loop
async def test_a_request_waits_until_another_is_answered(route: Path) -> None:
    backend = FakeMinistack()
    backend.go_on.clear()
    app = api_port(backend, route)
    first, second = Client(app, http_scope("/1")), Client(app, http_scope("/2"))
    await settle()

    assert (backend.running, first.status, second.status) == (1, None, None)
    backend.go_on.set()
    await settle()
    assert (first.status, second.status) == (200, 200)
    assert [scope["path"][-2:] for scope in backend.scopes] == ["/1", "/2"]


@in_loop
async def test_a_client_that_leaves_the_queue_is_never_run(route: Path) -> None:
    backend = FakeMinistack()
    backend.go_on.clear()
    app = api_port(backend, route)
    Client(app, http_scope("/1"))
    leaving, third = Client(app, http_scope("/2")), Client(app, http_scope("/3"))
    await settle()
    leaving.leave()
    await settle()

    assert leaving.task.done()
    backend.go_on.set()
    await settle()
    assert third.status == 200
    assert [scope["path"][-2:] for scope in backend.scopes] == ["/1", "/3"]


@in_loop
async def test_the_server_reports_clients_that_leave_the_queue(route: Path) -> None:
    """hypercorn serves real connections here."""
    backend, ended = FakeMinistack(), asyncio.Event()
    backend.go_on.clear()
    listening = socket.create_server(("127.0.0.1", 0))
    config, port = Config(), listening.getsockname()[1]
    config.bind = [f"fd://{listening.detach()}"]
    app = ApiPort(backend, port, route, SMALL)
    serving = asyncio.ensure_future(serve(app.handle, config, shutdown_trigger=ended.wait))  # type: ignore[arg-type]
    clients = []
    for number in range(3):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}" % number)
        clients.append((reader, writer))
        await until(lambda arrived=number + 1: backend.running + app._requests.queued == arrived)

    clients[1][1].close()
    await until(lambda: app._requests.queued == 1)
    backend.go_on.set()
    for reader, writer in (clients[0], clients[2]):
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()
    ended.set()
    await serving
    assert [scope["path"][-2:] for scope in backend.scopes if scope["type"] == "http"] == ["/0", "/2"]


@in_loop
async def test_a_client_that_leaves_keeps_its_slot_until_its_run_ends(route: Path) -> None:
    """The function continues, so its process is still busy."""
    backend = FakeMinistack()
    backend.go_on.clear()
    app = api_port(backend, route)
    first, second = Client(app, http_scope("/1")), Client(app, http_scope("/2"))
    await settle()
    first.leave()
    await settle()

    assert backend.running == 1
    backend.go_on.set()
    await settle()
    assert second.status == 200


@in_loop
async def test_a_slow_upload_holds_no_slot(route: Path) -> None:
    backend = FakeMinistack()
    app = api_port(backend, route)
    slow = Client(app, http_scope("/1"), {"type": "http.request", "body": b"[1,", "more_body": True})
    await settle()
    fast = Client(app, http_scope("/2"))
    await settle()

    assert (slow.status, fast.status) == (None, 200)
    slow.put({"type": "http.request", "body": b"2]", "more_body": False})
    await settle()
    assert slow.status == 200
    assert backend.bodies == [b"{}", b"[1,2]"]


@in_loop
async def test_a_slow_reader_of_an_answer_holds_no_slot(route: Path) -> None:
    class SlowReader(Client):
        async def _send(self, message: Message) -> None:
            await asyncio.Event().wait()

    app = api_port(FakeMinistack(), route)
    slow = SlowReader(app, http_scope("/1"))
    await settle()
    other = Client(app, http_scope("/2"))
    await settle()

    assert not slow.task.done()
    assert other.status == 200


@in_loop
async def test_a_failing_request_frees_its_slot(route: Path) -> None:
    async def failing(scope: Message, receive: Any, send: Any) -> None:
        raise OSError

    app = api_port(failing, route)
    first, second = Client(app, http_scope("/1")), Client(app, http_scope("/2"))
    await settle()

    assert (first.status, second.status) == (500, 500)


@in_loop
async def test_a_request_that_waits_for_a_job_delays_no_other(route: Path) -> None:
    backend = FakeMinistack()
    backend.go_on.clear()
    app = api_port(backend, route)
    for _ in range(3):
        Client(app, http_scope("/wait", query_string=b"wait=20"))
    Client(app, http_scope("/small"))
    await settle()

    assert [scope["path"].rpartition("/")[2] for scope in backend.scopes] == ["wait", "small"]


@in_loop
async def test_the_time_in_the_queue_counts_as_waiting(route: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr(local_api_port, "monotonic", lambda: now_s)
    backend = FakeMinistack()
    backend.go_on.clear()
    app = api_port(backend, route)
    for _ in range(2):
        Client(app, http_scope("/wait", query_string=b"wait=20"))
    await settle()
    now_s += 12.9
    backend.go_on.set()
    await settle()

    assert [scope["query_string"] for scope in backend.scopes] == [b"wait=20", b"wait=8"]


@in_loop
async def test_a_full_queue_and_a_long_wait_are_answered_with_overloaded(route: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_api_port, "MAX_QUEUE_S", 0.01)
    backend = FakeMinistack()
    backend.go_on.clear()
    app = api_port(backend, route, replace(SMALL, queued=1))
    _, waiting, refused = (Client(app, http_scope("/")) for _ in range(3))

    await refused.task
    await waiting.task

    for client, reason in ((refused, "1 requests are waiting"), (waiting, "waited 0.01 s")):
        start, body = client.sent
        content = json.loads(body["body"])
        assert (start["status"], content["error"]["code"]) == (503, "overloaded")
        assert dict(start["headers"])[b"retry-after"] == b"%d" % RETRY_AFTER_S
        assert reason in content["message"]
    assert backend.running == 1


def test_a_body_above_the_gateways_limit_is_refused(route: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_api_port, "MAX_BODY_BYTES", 1)
    backend = FakeMinistack()

    start, body = ask(api_port(backend, route), http_scope("/v1/classification"))

    assert (start["status"], json.loads(body["body"])["error"]["code"], backend.scopes) == (413, "too_large", [])


def aws(path: str) -> Message:
    return http_scope(path, port=81)


@in_loop
async def test_invocations_of_a_listed_function_wait_for_each_other(route: Path) -> None:
    backend = FakeMinistack()
    backend.go_on.clear()
    app = api_port(backend, route)
    clients = [Client(app, aws(f"/2015-03-31/functions/{FUNCTION}/invocations")) for _ in range(3)]
    await settle()

    assert backend.running == 1
    backend.go_on.set()
    await settle()
    assert [client.status for client in clients] == [200] * 3


@in_loop
async def test_an_invocation_that_waited_too_long_is_refused_by_ministack(route: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_api_port, "MAX_INVOCATION_QUEUE_S", 0.01)

    backend = FakeMinistack()
    backend.go_on.clear()
    app = api_port(backend, route)
    for _ in range(2):
        Client(app, aws(f"/2015-03-31/functions/{FUNCTION}/invocations"))
    await settle()
    assert backend.running == 1

    await until(lambda: backend.running == 2)  # ministack has it now
    assert backend.bodies == [b"{}", b"{}"]


@pytest.mark.parametrize("path", ["/2015-03-31/functions/other/invocations", "/2015-03-31/functions", "/", "/bucket/key"])
@in_loop
async def test_no_other_call_to_the_emulated_aws_waits(route: Path, path: str) -> None:
    """A function that has a slot makes such calls."""
    backend = FakeMinistack()
    backend.go_on.clear()
    app = api_port(backend, route)
    Client(app, http_scope("/v1/classification"))
    for _ in range(5):
        Client(app, aws(path))
    await settle()

    assert backend.running == 6
