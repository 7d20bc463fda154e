"""The functions' handlers, loaded as Lambda does: by path, each a module named `handler`."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
EVENT: dict[str, Any] = json.loads((ROOT / "events/api-classification.json").read_text("utf-8"))
KEY: str = EVENT["headers"]["x-api-key"]


def load(function: str) -> ModuleType:
    """Import functions/<function>/handler.py afresh, under a name of its own."""
    spec = importlib.util.spec_from_file_location(f"{function}_handler", ROOT / "functions" / function / "handler.py")
    assert spec
    assert spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def event(method: str, path: str, *, body: Any = None, key: str | None = KEY, **headers: str) -> dict[str, Any]:
    """An API Gateway event like the sample. `body`: a string as it is, else as JSON; `headers`: `x_y` names `x-y`."""
    path, _, query = path.partition("?")
    sent = {name.replace("_", "-"): value for name, value in headers.items()} | ({"x-api-key": key} if key else {})
    return EVENT | {
        "httpMethod": method,
        "path": path,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": dict(pair.split("=") for pair in query.split("&")) if query else None,
        "body": body if body is None or isinstance(body, str) else json.dumps(body),
    }
