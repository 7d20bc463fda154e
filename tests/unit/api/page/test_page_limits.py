"""The playground's limits are those of the API with its default settings."""

from __future__ import annotations

import re

from pigeonhole.contract.jobs import MAX_JOB_SAMPLES
from pigeonhole.contract.limits import DEFAULT_LIMITS
from support.playground_script import STATIC

RUN = (STATIC / "parts" / "run.js").read_text("utf-8")
ROOM_BYTES = 100_000  # of a body, for its options and what JSON escapes


def constant(name: str) -> int:
    found = re.search(rf"^(?:export )?const {name} = ([\d_]+);", RUN, re.MULTILINE)
    assert found, f"run.js has no {name}"
    return int(found[1])


def test_a_direct_request_has_as_many_samples_as_the_api_takes() -> None:
    assert constant("MAX_NOW") == DEFAULT_LIMITS.max_samples


def test_a_job_has_no_more_samples_than_the_api_takes() -> None:
    assert constant("MAX_JOB_SAMPLES") <= MAX_JOB_SAMPLES


def test_a_body_leaves_room_below_what_the_api_takes() -> None:
    assert constant("MAX_BODY_CHARS") <= DEFAULT_LIMITS.max_body_bytes - ROOM_BYTES


def test_a_name_is_as_long_as_a_custom_id_may_be() -> None:
    assert constant("MAX_NAME_CHARS") == DEFAULT_LIMITS.max_custom_id_chars
