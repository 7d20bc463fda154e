"""Requests that ask the API to wait for the end of a job: by `?wait=20` or by `Prefer: wait=20`."""

from __future__ import annotations

import re
from itertools import chain

from pigeonhole_cli.local.asgi import Scope

_IN_QUERY = re.compile(rb"((?:^|&)wait=)([0-9]{1,9})(?=&|$)")
_IN_PREFER = re.compile(rb'(\bwait\s*=\s*"?)([0-9]{1,9})', re.IGNORECASE)


def asks_to_wait(scope: Scope) -> bool:
    """Whether a request asks to wait for at least a second."""
    prefers = (value for name, value in scope["headers"] if name == b"prefer")
    waits = chain(_IN_QUERY.finditer(scope["query_string"]), *map(_IN_PREFER.finditer, prefers))
    return any(int(wait[2]) > 0 for wait in waits)


def shorten_wait(scope: Scope, by_s: int) -> Scope:
    """Return a request that waits for less time, because it has waited in a queue already.

    Args:
        scope: The request.
        by_s: The seconds that it has waited.
    """

    def shorten(wait: re.Match[bytes]) -> bytes:
        return wait[1] + b"%d" % max(0, int(wait[2]) - by_s)

    headers = [(name, _IN_PREFER.sub(shorten, value) if name == b"prefer" else value) for name, value in scope["headers"]]
    return {**scope, "query_string": _IN_QUERY.sub(shorten, scope["query_string"]), "headers": headers}
