"""Load the functions' handlers by path, as Lambda does, and make API Gateway events."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
EVENT: dict[str, Any] = json.loads((ROOT / "events/api-classification.json").read_text("utf-8"))
API_KEY: str = EVENT["headers"]["x-api-key"]


def load(function: str) -> ModuleType:
    """Import functions/<function>/handler.py as a new module, whose name no other handler has."""
    spec = importlib.util.spec_from_file_location(f"{function}_handler", ROOT / "functions" / function / "handler.py")
    assert spec
    assert spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def event(method: str, path: str, *, body: Any = None, api_key: str | None = API_KEY, **headers: str) -> dict[str, Any]:
    """Return an API Gateway event like the sample.

    Args:
        method: The HTTP method.
        path: The path, with its query.
        body: A string is sent as it is, anything else as JSON.
        api_key: None or an empty string sends no API key.
        headers: An underscore in a name stands for a hyphen.
    """
    path, _, query = path.partition("?")
    sent = {name.replace("_", "-"): value for name, value in headers.items()} | ({"x-api-key": api_key} if api_key else {})
    return EVENT | {
        "httpMethod": method,
        "path": path,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": dict(pair.split("=") for pair in query.split("&")) if query else None,
        "body": body if body is None or isinstance(body, str) else json.dumps(body),
    }
