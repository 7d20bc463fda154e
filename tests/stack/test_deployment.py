"""Deploying to the local stack: a second deployment updates the stack, and an error has CloudFormation's reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pigeonhole_cli.local.command import ROOT, local_settings
from pigeonhole_cli.local.process import LocalError, LocalProcess
from pigeonhole_cli.local.stack import LocalStack
from support.stack.deployment import Deploy

INLINE_BYTES = 51_200  # the maximum of a template that is sent in the request


def test_a_second_deployment_changes_the_stack_and_keeps_its_keys(deploy: Deploy) -> None:
    first = deploy("twice", parameters={"QuotaLimit": "7000"})
    assert first.call("GET", "/v1/account").json()["limits"]["requests"] == 7_000

    second = deploy("twice", parameters={"QuotaLimit": "9000"})

    assert second.outputs["TableName"] == first.outputs["TableName"]
    assert second.call("GET", "/v1/account", key=first.key).json()["limits"]["requests"] == 9_000
    plan = second.stack.client("apigateway").get_usage_plan(usagePlanId=second.outputs["UsagePlanId"])
    assert plan["quota"]["limit"] == 9_000


def test_the_same_again_changes_nothing(deploy: Deploy) -> None:
    assert deploy("twice").outputs == deploy("twice").outputs


def test_a_parameter_out_of_range_is_reported(deploy: Deploy) -> None:
    with pytest.raises(LocalError, match=r"template\.yaml could not be deployed: .*QuotaPeriod"):
        deploy("out-of-range", parameters={"QuotaPeriod": "YEAR"})


@pytest.fixture
def changed(server: LocalProcess, tmp_path: Path) -> Iterator[Callable[[str, str], LocalStack]]:
    """Give what makes a stack of the template in which one text is replaced."""
    for name in ("functions", "layers"):
        (tmp_path / name).symlink_to(ROOT / name)
    template = (ROOT / "template.yaml").read_text()
    with LocalStack(server.aws_url, "changed", tmp_path) as stack:

        def change(old: str, new: str) -> LocalStack:
            (tmp_path / "template.yaml").write_text(template.replace(old, new, 1))
            return stack

        yield change


def test_a_template_that_fails_is_reported_with_its_reason_and_can_be_fixed(
    changed: Callable[[str, str], LocalStack], model: Path
) -> None:
    with pytest.raises(LocalError, match=r"template\.yaml could not be deployed: ApiRole: .*Nothing"):
        changed("!GetAtt ChunkQueue.Arn", "!GetAtt ChunkQueue.Nothing").deploy(
            classify_concurrency=1, settings=local_settings(model)
        )

    padding = "x" * INLINE_BYTES
    fixed = changed("Metadata:\n", f"Metadata:\n  Padding: {padding}\n")

    assert fixed.deploy(classify_concurrency=1, settings=local_settings(model))["TableName"]
