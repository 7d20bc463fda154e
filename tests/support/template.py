"""template.yaml, parsed once for all tests of a process."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

from pigeonhole_cli.local import stack

ROOT = Path(__file__).resolve().parents[2]


def read_template() -> dict[str, Any]:
    """Give a copy that the test may change."""
    return copy.deepcopy(_parsed())


@cache
def _parsed() -> dict[str, Any]:
    return stack.read_template(ROOT / "template.yaml")
