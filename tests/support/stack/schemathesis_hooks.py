"""Hooks of schemathesis. The examples of the OpenAPI document name images on example.com; tests connect to loopback only."""

from __future__ import annotations

import os
from typing import Any

import schemathesis

EXAMPLES = "https://example.com/"


def replace_addresses(value: Any, images: str) -> Any:
    """Return a JSON value with the addresses of the document's examples replaced by those of another server."""
    if isinstance(value, dict):
        return {name: replace_addresses(inner, images) for name, inner in value.items()}
    if isinstance(value, list):
        return [replace_addresses(inner, images) for inner in value]
    return value.replace(EXAMPLES, images) if isinstance(value, str) else value


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, _kwargs: dict[str, Any]) -> None:
    """Replace the addresses in the body of a request."""
    case.body = replace_addresses(case.body, os.environ["IMAGES_URL"])
