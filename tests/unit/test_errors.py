"""The tree of errors is the same in its drawing, in its classes and in answers."""

from __future__ import annotations

import re

import pytest

from pigeonhole import errors
from pigeonhole.errors import BY_CODE, Fault, InternalError, PigeonholeError, SampleError, from_code

# code, status, whether a retry may help, Retry-After in seconds: the contract's table.
TABLE = [
    ("invalid_request", 400, False, None),
    ("unreadable_image", 400, False, None),
    ("unsupported_media", 400, False, None),
    ("unfetchable_url", 400, True, None),
    ("forbidden_url", 400, False, None),
    ("too_large", 413, False, None),
    ("invalid_api_key", 401, False, None),
    ("forbidden", 403, False, None),
    ("not_found", 404, False, None),
    ("method_not_allowed", 405, False, None),
    ("job_finished", 409, False, None),
    ("precondition_failed", 412, False, None),
    ("unsupported_encoding", 415, False, None),
    ("idempotency_mismatch", 422, False, None),
    ("rate_limited", 429, True, 1),
    ("internal_error", 500, True, None),
    ("overloaded", 503, True, 2),
    ("timed_out", 504, True, None),
]
SAMPLE_CODES = {"unreadable_image", "unsupported_media", "unfetchable_url", "forbidden_url", "too_large"}


def test_the_classes_are_those_of_the_contract() -> None:
    classes = {(leaf.code, leaf.status, leaf.retryable, leaf.retry_after_s) for leaf in BY_CODE.values()}

    assert classes == set(TABLE)
    assert {code: leaf.code for code, leaf in BY_CODE.items()} == {code: code for code in BY_CODE}


def test_the_drawing_in_the_docstring_is_the_tree() -> None:
    drawn = re.findall(r"(\w+) +(\d{3}) (\w+)", errors.__doc__ or "")

    assert {(name, int(status), code) for name, status, code in drawn} == {
        (leaf.__name__, leaf.status, leaf.code) for leaf in BY_CODE.values()
    }


def test_errors_of_a_sample_differ_from_errors_of_a_request() -> None:
    assert {code for code, leaf in BY_CODE.items() if issubclass(leaf, SampleError)} == SAMPLE_CODES


@pytest.mark.parametrize("code", [row[0] for row in TABLE if row[0] != "internal_error"])
def test_an_error_is_built_from_its_code_with_message_and_details(code: str) -> None:
    faults = (Fault("labels.0", "too long"), Fault("", "empty"))

    error = from_code(code, "how to fix it", faults)

    assert type(error) is BY_CODE[code]
    assert (error.code, error.message, str(error), error.details) == (code, "how to fix it", "how to fix it", faults)


@pytest.mark.parametrize("code", ["internal_error", "no_such_code", "", "PigeonholeError"])
def test_an_internal_or_unknown_error_says_nothing_of_its_cause(code: str) -> None:
    error = from_code(code, "KeyError: 'password' in /var/task/handler.py", (Fault("db", "arn:aws:dynamodb:…"),))

    assert type(error) is InternalError
    assert error.message == InternalError().message
    assert error.details == ()
    assert "log_id" in error.message, "says what to do"


def test_all_errors_have_one_base() -> None:
    for code, *_ in TABLE:
        with pytest.raises(PigeonholeError):
            raise from_code(code, "how to fix it")
