"""An ASGI middleware that gives each error of the API the shape of the HTTP contract.

functions/api and the template's gateway responses have this shape. ministack's own errors don't: it answers a function that
crashed or timed out with the runtime's report, where API Gateway answers with a gateway response.
"""

from __future__ import annotations

import json
import logging
import uuid

from pigeonhole.errors import InternalError, InvalidRequest, Overloaded, PigeonholeError, TimedOut
from pigeonhole_cli.local.asgi import App, ClientGone, Message, Receive, Scope, Send

# An error of the contract has `success`. The clients of /v1/decisions know `error`, those of /v1/systemone `detail`. RFC 9457
# has `status`. ministack's own errors have none of them.
KEYS = {"success", "error", "detail", "status"}
TIMED_OUT = b"Task timed out after"  # the runtime's report

logger = logging.getLogger(__name__)


def in_contract_shape(app: App) -> App:
    """Return an app that answers as `app` does, but each error in the contract's shape, also an error that `app` raises."""

    async def shaped(scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer(send, has_body=scope["method"] != "HEAD")
        try:
            return await app(scope, receive, answer.send)
        except ClientGone:
            raise
        except PigeonholeError as error:
            failure = error
        except Exception:
            logger.exception("A request failed")
            failure = InternalError()
        if not answer.has_started:
            await send_error(send, failure)

    return shaped


async def send_error(send: Send, error: PigeonholeError) -> None:
    """Send an error as an answer."""
    headers, body = to_answer(error)
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def to_answer(error: PigeonholeError) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return the headers and the body of an error's answer."""
    content = {"success": False, "message": error.message, "log_id": str(uuid.uuid4()), "error": {"code": error.code}}
    body = json.dumps(content).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"access-control-allow-origin", b"*"),
        (b"access-control-expose-headers", b"Retry-After"),
    ]
    if error.retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % error.retry_after_s))
    return headers, body


class _Answer:
    """Passes an answer on. An answer with an error is held until its body is there."""

    def __init__(self, send: Send, *, has_body: bool) -> None:
        self.has_started = False
        self._send, self._has_body = send, has_body
        self._held: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 400 and self._has_body:
            self._held = message
            return
        if self._held is None:
            self.has_started = True
            return await self._send(message)
        self._body += message.get("body", b"")
        if message.get("more_body", False):
            return
        self.has_started = True
        error = _to_error(self._held["status"], self._body)
        if error is not None:
            return await send_error(self._send, error)
        await self._send(self._held)
        await self._send({"type": "http.response.body", "body": self._body})


def _to_error(status: int, body: bytes) -> PigeonholeError | None:
    """Return the contract's error for an answer of ministack's own, None for an answer in one of the known shapes."""
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if isinstance(content, dict) and content.keys() & KEYS:
        return None
    if status == 504 or TIMED_OUT in body:
        return TimedOut("The answer took too long. Send fewer or smaller samples.")
    if status in (429, 503):
        return Overloaded()
    return (
        InternalError()
        if status >= 500
        else InvalidRequest("The request could not be read. Check its form against /openapi.json.")
    )
