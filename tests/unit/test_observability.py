"""A log has the stack trace of an error, and no message that may quote a caller."""

from __future__ import annotations

import json
from datetime import date

from pigeonhole.observability import stack_trace, to_log_line
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


def test_a_log_line_leaves_out_what_is_the_same_in_all_lines_of_a_function() -> None:
    constant = {"function_name": "f", "function_arn": "arn:aws:lambda:f", "function_memory_size": 512}
    varying = {"level": "INFO", "message": "answered", "service": "api", "function_request_id": "r", "status": 200}

    line = to_log_line(varying | constant | {"day": date(2026, 12, 1)})

    assert json.loads(line) == varying | {"day": "2026-12-01"}
