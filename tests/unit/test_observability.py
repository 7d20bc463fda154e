"""A log has the stack trace of an error, and no message that may quote a caller."""

from __future__ import annotations

from pigeonhole.observability import stack_trace
from pigeonhole.settings import MissingSetting, Settings


def test_the_log_of_an_error_names_a_missing_setting_and_no_other_message() -> None:
    try:
        try:
            raise ValueError("what a caller sent")
        except ValueError:
            Settings().require("table_name")
    except MissingSetting as error:
        trace = "\n".join(stack_trace(error))

    assert "MissingSetting: PIGEONHOLE_TABLE_NAME" in trace
    assert "caller" not in trace
