"""Find the API key in the headers of a request.

functions/authorize names the API key to API Gateway, and functions/api finds its tenant. Both use this rule, so the API key
that is throttled and counted is the one that is served. The module imports little, because the authorizer must start fast.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SCHEME = "bearer "


def join_headers(event: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of an API Gateway event by name in lower case.

    The lines of each header are joined by commas (RFC 9110, 5.3). The event's `headers` have only the last line of each.
    """
    sent = event.get("multiValueHeaders") or {name: [value] for name, value in (event.get("headers") or {}).items()}
    lines: dict[str, list[str]] = {}
    for name, values in sent.items():
        lines.setdefault(name.lower(), []).extend(values)
    return {name: ", ".join(values) for name, values in lines.items()}


def find_api_key(headers: Mapping[str, str]) -> str | None:
    """Return the API key of `x-api-key` or else of `Authorization: Bearer`, None if a request has neither.

    Args:
        headers: The headers by name in lower case.
    """
    if api_key := headers.get("x-api-key"):
        return api_key
    authorization = headers.get("authorization", "")
    is_bearer = authorization[: len(SCHEME)].lower() == SCHEME
    return authorization[len(SCHEME) :].strip() or None if is_bearer else None
