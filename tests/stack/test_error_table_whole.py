"""Every row of the error table was answered over HTTP. Runs after the other tests, which note each code in `VERIFIED`."""

from __future__ import annotations

from pigeonhole.errors import BY_CODE
from support.stack.deployment import VERIFIED


def test_each_row_of_the_table_was_answered_as_the_table_says() -> None:
    missing = sorted(set(BY_CODE) - VERIFIED)

    assert not missing, f"no test verified these codes; run all of tests/stack to verify all: {missing}"
