"""benchmarks/load.py in its smallest size: both functions answer without an emulated AWS, and memory is read at the marks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import function_pair
import load
from pigeonhole.inference.encoders.prepare import prepare
from pigeonhole_cli.model_cache import DEFAULT_CACHE, cached_folder

pytestmark = [pytest.mark.torch, pytest.mark.slow]


def test_both_functions_answer_and_their_time_and_memory_are_read() -> None:
    model = cached_folder("tiny", Path(os.environ.get("PIGEONHOLE_CACHE", DEFAULT_CACHE)))
    prepare("tiny", model)

    with function_pair.function_pair(model) as pair:
        shares = load.measure_shares(pair, count=3)
        counted = pair.endpoint.requests
        memory = list(load.measure_memory(pair, count=10))

    assert [share.request for share in shares] == list(load.requests())
    assert all(len(share.seconds) == 3 and min(share.seconds) > 0 for share in shares)
    assert counted == 2 * (1 + 1 + 3), "for each request: the one whose answer is kept, a warm-up, and those that are counted"
    assert [each.requests for each in memory] == [1, 5, 10]
    assert all(each.classify > each.api > 20e6 for each in memory)


def test_a_call_that_is_not_expected_is_an_error() -> None:
    endpoint = function_pair.Endpoint(items={}, invoke=lambda payload: b"")

    assert endpoint.answer("DynamoDB_20120810.GetItem", b'{"Key": {"pk": {"S": "a"}, "sk": {"S": "b"}}}') == b"{}"
    with pytest.raises(ValueError, match="Scan: functions/api isn't expected to make this call"):
        endpoint.answer("DynamoDB_20120810.Scan", b"{}")
