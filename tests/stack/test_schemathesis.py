"""schemathesis tries the operations of the served OpenAPI document: no 5xx, and nothing that the document doesn't say."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pigeonhole.api.routes import OPERATIONS
from pigeonhole_cli.local.command import ROOT
from support.loopback import LoopbackServer
from support.stack.deployment import Deploy, Deployment

LIMIT_S = 120  # then schemathesis is interrupted, and reports what it has found until then
MIN_CASES = 100  # there are about 1,000
CONFIG = ROOT / "tests/support/stack/schemathesis.toml"
# schemathesis sends more requests than the usage plan and the open routes allow by default.
THROTTLES = dict.fromkeys(("ThrottleRate", "ThrottleBurst", "OpenThrottleRate", "OpenThrottleBurst"), "10000")


@pytest.fixture(scope="module")
def unthrottled(deploy: Deploy) -> Deployment:
    return deploy("schemathesis", parameters=THROTTLES)


def test_the_service_does_what_its_document_says(
    unthrottled: Deployment, web: Callable[..., LoopbackServer], photos: dict[str, bytes], tmp_path: Path
) -> None:
    images = web({"/lunch.jpg": photos["cup of coffee"], "/hotdog.jpg": photos["flower"]})
    run = tmp_path / "run"
    arguments = ["--url", unthrottled.url, "--header", f"x-api-key: {unthrottled.key}", "--continue-on-failure", "--no-color"]
    arguments += ["--phases", "examples,coverage,fuzzing,stateful", "--report-json-path", f"{run}.json"]
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "IMAGES_URL": images.url("/")}
    with run.open("w") as output:
        process = subprocess.Popen(
            [*command, f"{unthrottled.url}/openapi.json"],
            cwd=tmp_path,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            process.wait()

    found: dict[str, Any] = json.loads(Path(f"{run}.json").read_text())
    assert (found["failures"], found["errors"]) == ([], []), run.read_text()
    assert found["operations"]["selected"] == len(OPERATIONS) - 1, "all but that of the document itself"
    assert found["test_cases"]["generated"] > MIN_CASES, run.read_text()
