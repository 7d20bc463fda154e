"""The planner, the worker and the handler of failures read the same run from its name."""

from __future__ import annotations

import pytest

from pigeonhole.bulk.gpu.run_name import RunName
from pigeonhole.bulk.ports import GpuRun

JOB = "0123456789abcdef0123456789abcdef"


def test_a_name_is_read_as_it_was_written() -> None:
    name = RunName.of(GpuRun("acme-1", JOB, 12, tasks=3))

    assert str(name) == f"acme-1/{JOB}/12"
    assert RunName.parse(str(name)) == name


@pytest.mark.parametrize(
    "text", ["", "acme", f"acme/{JOB}", f"acme/{JOB}/x", f"Acme/{JOB}/0", f"acme/{JOB[:-1]}/0", f"a/../{JOB}/0"]
)
def test_a_broken_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="TENANT/JOB/NUMBER"):
        RunName.parse(text)
