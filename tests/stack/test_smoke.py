"""`pigeonhole smoke`, run as an operator runs it, finds no fault in the deployed stack."""

from __future__ import annotations

from pathlib import Path

import pytest

from pigeonhole_cli.deployment.smoke import CHECKS
from support.receiver import Receiver
from support.stack.deployment import Deployment
from support.stack.shell import Shell, tenant_name


def test_the_deployed_stack_passes_every_check(deployed: Deployment, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    shell = Shell(deployed, tenant_name(request), tmp_path)

    with Receiver() as receiver:
        printed = shell("smoke", "--webhook-url", receiver.url())

    assert printed.splitlines() == [f"ok\t{name}" for name in CHECKS]
    assert len(receiver.posted) == 1
