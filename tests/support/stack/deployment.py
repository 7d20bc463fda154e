"""A deployed stack as its callers see it, and a check of its error answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from pigeonhole.contract.classification import ErrorResponse
from pigeonhole.errors import BY_CODE
from pigeonhole_cli.local.stack import LocalStack

BUCKET, PREFIX = "granted-images", "tests/"  # the prefix that the tenant `tests` of the main stack is granted
TEXTS = ("I love this product, it works perfectly!", "Terrible. It broke after one day.")


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "value": value}


def image(value: str, **more: str) -> dict[str, Any]:
    return {"type": "image", "value": value, **more}


def request(
    dataset: Sequence[Mapping[str, Any]], labels: Sequence[Mapping[str, Any]] | None = None, **more: Any
) -> dict[str, Any]:
    return {"dataset": list(dataset), "labels": list(labels or [text("positive"), text("negative")]), **more}


@dataclass
class Deployment:
    """A deployed stack.

    Attributes:
        url: The base URL of its API.
        stack: The stack.
        outputs: The stack's outputs.
        key: An API key of the tenant `tests`, which each call sends by default.
        http: The client of all calls.
    """

    url: str
    stack: LocalStack
    outputs: dict[str, str]
    key: str
    http: httpx.Client

    def call(
        self, method: str, path: str, body: Any = None, *, key: str | None = "", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Send a request.

        Args:
            method: The HTTP method.
            path: The path after the base URL.
            body: Bytes, or a value that is sent as JSON.
            key: An API key, `""` for that of the tenant `tests`, or None to send none.
            headers: More headers.
        """
        sent = dict(headers or {})
        if key is not None:
            sent["x-api-key"] = key or self.key
        content = {"content": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
        return self.http.request(method, self.url + path, headers=sent, **content)

    def classify(self, body: Any, **more: Any) -> httpx.Response:
        return self.call("POST", "/v1/classification", body, **more)


Deploy = Callable[..., Deployment]

VERIFIED: set[str] = set()  # the codes that `verify_error` has verified in this run


def verify_error(response: httpx.Response, code: str) -> ErrorResponse:
    """Assert that an answer is the error `code`, with its status, the contract's shape and the common headers. Return it."""
    assert response.status_code == BY_CODE[code].status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["access-control-allow-origin"] == "*"
    assert set(response.json()) == {"success", "message", "log_id", "error"}
    error = ErrorResponse.model_validate(response.json())
    assert error.error.code == code
    assert error.success is False
    assert error.message
    assert error.log_id
    VERIFIED.add(code)
    return error
