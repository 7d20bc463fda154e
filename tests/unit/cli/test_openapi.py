"""`python -m pigeonhole_cli.openapi` prints the OpenAPI document."""

from __future__ import annotations

import subprocess
import sys

from pigeonhole.api import openapi


def test_the_command_prints_the_document() -> None:
    ran = subprocess.run([sys.executable, "-m", "pigeonhole_cli.openapi"], capture_output=True, check=True, timeout=120)

    assert ran.stdout.decode("utf-8") == openapi.as_json()
