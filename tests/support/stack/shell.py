"""The command `pigeonhole`, run as a user runs it against the deployed stack."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pigeonhole_cli.local.command import api_key_manager
from pigeonhole_cli.local.process import REGION
from support.stack.deployment import Deployment

PIGEONHOLE = Path(sys.executable).parent / "pigeonhole"


class Shell:
    """Runs `pigeonhole` in a folder, with an API key of its own tenant and with credentials of an operator."""

    def __init__(self, deployed: Deployment, tenant: str, folder: Path) -> None:
        self.deployed, self.tenant, self.folder = deployed, tenant, folder
        self._environment = {
            "JIGSAWSTACK_API_URL": deployed.url,
            "JIGSAWSTACK_API_KEY": api_key_manager(deployed.stack, deployed.outputs).create(tenant, "shell").value,
            "AWS_ENDPOINT_URL": deployed.stack.aws_url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def __call__(self, *arguments: str, exit_code: int = 0, stdin: str = "") -> str:
        """Run a command and return its standard output."""
        done = subprocess.run(
            [PIGEONHOLE, *arguments],
            env=os.environ | self._environment,
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == exit_code, done.stdout + done.stderr
        self.stderr = done.stderr
        return done.stdout


def tenant_name(request: pytest.FixtureRequest) -> str:
    """Return the name of a tenant for one test."""
    return str(request.node.name).removeprefix("test_").replace("_", "-")[:60].rstrip("-")
