"""functions/authorize names the API key of a request, and functions/api reads the same one."""

from __future__ import annotations

from typing import Any

import pytest

from pigeonhole.api.http_request import HttpRequest
from support.fakes import LambdaContext
from support.handlers import EVENT, load

ARN = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod/POST/v1/classification"


def event(*headers: tuple[str, str]) -> dict[str, Any]:
    lines: dict[str, list[str]] = {}
    for name, value in headers:
        lines.setdefault(name, []).append(value)
    single = {name: values[-1] for name, values in lines.items()}
    return EVENT | {"type": "REQUEST", "methodArn": ARN, "headers": single, "multiValueHeaders": lines}


@pytest.mark.parametrize(
    ("headers", "api_key"),
    [
        ([("x-api-key", "one")], "one"),
        ([("X-API-Key", "one")], "one"),
        ([("Authorization", "Bearer two")], "two"),
        ([("authorization", "bearer  two ")], "two"),
        ([("x-api-key", "one"), ("Authorization", "Bearer two")], "one"),
        ([("x-api-key", ""), ("Authorization", "Bearer two")], "two"),
        ([("x-api-key", "one"), ("x-api-key", "two")], "one, two"),
        ([("Authorization", "Basic two")], None),
        ([("Authorization", "Bearer ")], None),
        ([("Authorization", "Bearer")], None),
        ([], None),
    ],
)
def test_the_key_that_is_counted_is_the_one_that_is_served(headers: list[tuple[str, str]], api_key: str | None) -> None:
    raw = event(*headers)

    answer = load("authorize").handler(raw, LambdaContext())

    assert answer.get("usageIdentifierKey") == api_key
    assert HttpRequest.from_event(raw).api_key == api_key


def test_every_request_is_allowed_so_that_the_gateway_decides_by_the_key() -> None:
    (statement,) = load("authorize").handler(event(), LambdaContext())["policyDocument"]["Statement"]

    assert statement == {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": ARN}
