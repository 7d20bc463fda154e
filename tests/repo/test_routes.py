"""The routes that the template opens are the open operations of the API."""

from __future__ import annotations

from pathlib import Path

from pigeonhole.api.routes import OPERATIONS
from pigeonhole_cli.local.stack import read_template

ROOT = Path(__file__).resolve().parents[2]


def test_the_routes_without_an_api_key_are_the_open_operations() -> None:
    function = read_template(ROOT / "template.yaml")["Resources"]["ApiFunction"]["Properties"]
    events = [event["Properties"] for event in function["Events"].values()]
    routes = {(event["Method"], event["Path"]) for event in events if event.get("Auth", {}).get("ApiKeyRequired") is False}

    # A browser sends a preflight request (OPTIONS) without headers, so without an API key.
    without_preflights = {(method, path) for method, path in routes if method != "OPTIONS"}
    open_operations = [operation for operation in OPERATIONS if operation.is_open]
    assert without_preflights == {(method, operation.path) for operation in open_operations for method in operation.methods}
