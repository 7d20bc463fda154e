"""The route file of the middleware before ministack."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.cli.asgi import FUNCTION


@pytest.fixture
def route(tmp_path: Path) -> Path:
    file = tmp_path / "route.json"
    file.write_text(json.dumps({"api_id": "abc", "stage": "prod", "runs": {FUNCTION: 1}}))
    return file
