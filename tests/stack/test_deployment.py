"""Deploying to the local stack: again changes the stack in place, and what can't be deployed is told with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from pigeonhole_cli.local.command import ROOT, local_settings
from pigeonhole_cli.local.process import LocalError, LocalProcess
from pigeonhole_cli.local.stack import LocalStack
from support.stack.deployment import Deploy


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


def test_a_parameter_out_of_range_is_told(deploy: Deploy) -> None:
    with pytest.raises(LocalError, match=r"template\.yaml could not be deployed: .*QuotaPeriod"):
        deploy("out-of-range", parameters={"QuotaPeriod": "YEAR"})


def test_a_template_that_fails_is_told_with_its_reason_and_may_be_mended(
    server: LocalProcess, model: Path, tmp_path: Path
) -> None:
    for name in ("functions", "layers"):
        (tmp_path / name).symlink_to(ROOT / name)
    whole = (ROOT / "template.yaml").read_text()
    (tmp_path / "template.yaml").write_text(whole.replace("!GetAtt ApiLogs.Arn", "!GetAtt ApiLogs.Nothing"))
    with LocalStack(server.aws_url, "mended", tmp_path) as stack:
        with pytest.raises(LocalError, match=r"template\.yaml could not be deployed: ApiRole: .*Nothing"):
            stack.deploy(classify_concurrency=1, settings=local_settings(model))

        (tmp_path / "template.yaml").write_text(whole)

        assert stack.deploy(classify_concurrency=1, settings=local_settings(model))["TableName"]
