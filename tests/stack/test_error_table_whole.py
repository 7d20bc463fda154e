"""Each row of the error table was seen over HTTP. Runs after the tests that see them, which note each code in `VERIFIED`."""

from __future__ import annotations

from pigeonhole.errors import BY_CODE
from support.stack.deployment import VERIFIED


def test_each_row_of_the_table_was_answered_as_the_table_says() -> None:
    missing = sorted(set(BY_CODE) - VERIFIED)

    assert not missing, f"no passed check of these, which is right only if test_error_table*.py did not run whole: {missing}"
