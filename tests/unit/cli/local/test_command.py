"""The parameters of the local stack."""

from __future__ import annotations

import re

import pytest

from pigeonhole_cli.local.command import GPU_PARAMETERS, PARAMETERS
from pigeonhole_cli.local.rewrites import _allow_short_visibility
from support.template import read_template


@pytest.mark.parametrize("name", [name for name in PARAMETERS if name not in GPU_PARAMETERS])
def test_a_parameter_of_the_local_stack_has_a_value_that_the_template_takes(name: str) -> None:
    template = read_template()
    _allow_short_visibility(template, None)  # type: ignore[arg-type]  # it needs no machine
    parameter, value = template["Parameters"][name], int(PARAMETERS[name])

    assert str(parameter["Default"]) != PARAMETERS[name]
    assert parameter["MinValue"] <= value <= parameter.get("MaxValue", value)


@pytest.mark.parametrize("name", GPU_PARAMETERS)
def test_the_local_stack_has_gpu_workers_with_parameters_that_the_template_takes(name: str) -> None:
    parameter = read_template()["Parameters"][name]

    assert GPU_PARAMETERS[name] != parameter["Default"]
    assert re.fullmatch(parameter.get("AllowedPattern", ".+"), GPU_PARAMETERS[name])


@pytest.mark.parametrize("name", ["ThrottleRate", "ThrottleBurst", "OpenThrottleRate", "OpenThrottleBurst", "QuotaLimit"])
def test_a_limit_of_the_usage_plan_is_far_above_that_of_aws(name: str) -> None:
    assert int(PARAMETERS[name]) >= 20 * read_template()["Parameters"][name]["Default"]
