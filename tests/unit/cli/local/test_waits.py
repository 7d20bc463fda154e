"""Requests that ask to wait are recognised, and their wait can be shortened."""

from __future__ import annotations

from typing import Any

import pytest

from pigeonhole_cli.local.waits import asks_to_wait, shorten_wait
from support.cli.asgi import http_scope


@pytest.mark.parametrize(
    ("waiting", "shortened"),
    [
        ({"query_string": b"wait=20"}, {"query_string": b"wait=13"}),
        ({"query_string": b"limit=1&wait=5&a=20"}, {"query_string": b"limit=1&wait=0&a=20"}),
        (
            {"headers": [(b"prefer", b"wait=20"), (b"x", b"wait=20")]},
            {"headers": [(b"prefer", b"wait=13"), (b"x", b"wait=20")]},
        ),
        ({"headers": [(b"prefer", b'respond-async, Wait = "20"')]}, {"headers": [(b"prefer", b'respond-async, Wait = "13"')]}),
    ],
)
def test_a_request_that_asks_to_wait_waits_for_less(waiting: dict[str, Any], shortened: dict[str, Any]) -> None:
    scope = http_scope("/", **waiting)

    assert asks_to_wait(scope)
    assert shorten_wait(scope, 7) == {**scope, **shortened}


@pytest.mark.parametrize("query", [b"", b"wait=0", b"await=5", b"wait=", b"a=wait", b"wait=x", b"wait=5x"])
@pytest.mark.parametrize("prefer", [b"respond-async", b"wait", b"wait=0", b"await=5"])
def test_another_request_does_not_change(query: bytes, prefer: bytes) -> None:
    scope = http_scope("/", query_string=query, headers=[(b"prefer", prefer)])

    assert not asks_to_wait(scope)
    assert shorten_wait(scope, 7) == scope
