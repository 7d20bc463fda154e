"""Errors of ministack's own get the contract's shape. Answers in one of the known shapes don't change."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from pigeonhole.contract.classification import ErrorResponse
from pigeonhole.errors import BY_CODE, Overloaded
from pigeonhole_cli.local.asgi import App, ClientGone, Message
from pigeonhole_cli.local.contract_shape import in_contract_shape

TIMEOUT = '{"errorMessage": "Task timed out after 30.00 seconds", "errorType": "Sandbox.Timedout"}'


def answering(status: int, *chunks: bytes) -> App:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": [(b"x-its-own", b"1")]})
        for index, chunk in enumerate(chunks):
            await send({"type": "http.response.body", "body": chunk, "more_body": index < len(chunks) - 1})

    return app


def ask(app: App, method: str = "POST") -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError

    asyncio.run(in_contract_shape(app)({"type": "http", "method": method}, receive, send))
    start, *rest = sent
    return start["status"], dict(start["headers"]), b"".join(message["body"] for message in rest)


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (
            502,
            json.dumps({"message": '{"errorMessage": "Worker process died", "errorType": "Runtime.HandlerError"}'}),
            "internal_error",
        ),
        (502, json.dumps({"message": TIMEOUT}), "timed_out"),
        (504, '{"message": "Network error"}', "timed_out"),
        (429, '{"Reason": "ConcurrentInvocationLimitExceeded", "message": "Rate Exceeded"}', "overloaded"),
        (404, '{"message": "Not Found"}', "invalid_request"),
        (403, '{"Message": "User is not authorized"}', "invalid_request"),
        (500, "Internal Server Error", "internal_error"),
        (500, "[1]", "internal_error"),
    ],
)
def test_an_error_of_ministacks_own_gets_the_contracts_shape(status: int, body: str, code: str) -> None:
    actual, headers, content = ask(answering(status, body.encode()))

    error = ErrorResponse.model_validate_json(content)
    assert (actual, error.error.code, error.success) == (BY_CODE[code].status, code, False)
    assert error.log_id
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"content-length"] == b"%d" % len(content)
    assert headers[b"access-control-allow-origin"] == b"*"
    assert (b"retry-after" in headers) == (code == "overloaded")
    assert b"errorType" not in content


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"anything"),
        (304, b""),
        (400, b'{"success": false, "message": "labels: ..."}'),
        (401, b'{"error": {"message": "no key", "type": "t", "code": "c", "param": null}}'),
        (422, b'{"detail": [{"loc": ["body"], "msg": "m", "type": "t"}]}'),
        (429, b'{"type": "about:blank", "status": 429}'),
    ],
)
def test_an_answer_in_a_known_shape_does_not_change(status: int, body: bytes) -> None:
    middle = len(body) // 2

    assert ask(answering(status, body[:middle], body[middle:])) == (status, {b"x-its-own": b"1"}, body)


def test_an_answer_to_head_has_no_body_and_does_not_change() -> None:
    assert ask(answering(404, b""), "HEAD") == (404, {b"x-its-own": b"1"}, b"")


def test_an_exception_is_an_internal_error(caplog: pytest.LogCaptureFixture) -> None:
    async def failing(scope: Message, receive: Any, send: Any) -> None:
        raise KeyError("secret")

    status, _, content = ask(failing)

    assert status == 500
    assert json.loads(content)["error"]["code"] == "internal_error"
    assert b"secret" not in content
    assert "secret" in caplog.text, "the log has the cause"


def test_an_error_of_the_contract_is_answered_as_it_says() -> None:
    async def busy(scope: Message, receive: Any, send: Any) -> None:
        error = Overloaded("Busy.")
        error.retry_after_s = 7
        raise error

    status, headers, content = ask(busy)

    assert (status, headers[b"retry-after"], json.loads(content)["message"]) == (503, b"7", "Busy.")


def test_an_answer_that_breaks_off_is_not_answered_twice() -> None:
    async def breaking(scope: Message, receive: Any, send: Any) -> None:
        await answering(200, b"half")(scope, receive, send)
        raise OSError

    assert ask(breaking)[2] == b"half"


def test_a_client_that_has_gone_gets_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    async def gone(scope: Message, receive: Any, send: Any) -> None:
        raise ClientGone

    with pytest.raises(ClientGone):
        ask(gone)

    assert not caplog.records
