"""A deployed stack as a caller sees it, and its errors as the contract has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from pigeonhole.contract.classification import ErrorResponse
from pigeonhole.errors import BY_CODE
from pigeonhole_cli.local.stack import LocalStack

BUCKET, PREFIX = "granted-images", "tests/"  # what the tenant `tests` of the main stack may name by s3://
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
    """One stack. `key`: an API key of the tenant `tests`, sent with each call unless `key` says otherwise."""

    url: str
    stack: LocalStack
    outputs: dict[str, str]
    key: str
    http: httpx.Client

    def call(
        self, method: str, path: str, body: Any = None, *, key: str | None = "", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Send a request; `key`: "" for the tenant's own, None for none. `body`: bytes as they are, anything else as JSON."""
        sent = dict(headers or {})
        if key is not None:
            sent["x-api-key"] = key or self.key
        content = {"content": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
        return self.http.request(method, self.url + path, headers=sent, **content)

    def classify(self, body: Any, **more: Any) -> httpx.Response:
        return self.call("POST", "/v1/classification", body, **more)


Deploy = Callable[..., Deployment]

VERIFIED: set[str] = set()  # the codes that `error_of` has found in answers, in this run


def error_of(response: httpx.Response, code: str) -> ErrorResponse:
    """The error of an answer, which has `code` and its status, the contract's shape and the headers that every answer has."""
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
