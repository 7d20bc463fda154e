"""benchmarks/recording_server.py: the request units of DynamoDB and the events of EventBridge that AWS bills for a call."""

from __future__ import annotations

from typing import Any

import pytest

from recording_server import count_events, count_read_units, count_write_units


def size(item: dict[str, int]) -> int:
    return item.get("bytes", 0)


@pytest.mark.parametrize(
    ("request_body", "response", "units"),
    [
        ({"ConsistentRead": True}, {"Item": {"bytes": 4096}}, 1.0),
        ({"ConsistentRead": True}, {"Item": {"bytes": 4097}}, 2.0),
        ({}, {"Item": {"bytes": 10}}, 0.5),
        ({"ConsistentRead": True}, {}, 1.0),
        ({"ConsistentRead": True}, {"Items": [{"bytes": 3000}, {"bytes": 3000}, {"bytes": 3000}]}, 3.0),
        ({}, {"Items": []}, 0.5),
    ],
)
def test_a_read_costs_a_unit_per_4_kb_and_half_if_it_is_eventually_consistent(
    request_body: dict[str, Any], response: dict[str, Any], units: float
) -> None:
    assert count_read_units(request_body, response, size) == units


def test_each_item_of_a_batch_is_rounded_up_and_a_missing_one_costs_a_unit() -> None:
    request_body = {"RequestItems": {"table": {"Keys": [1, 2, 3], "ConsistentRead": True}}}

    assert count_read_units(request_body, {"Responses": {"table": [{"bytes": 5000}, {"bytes": 10}]}}, size) == 3.0
    assert count_read_units(request_body, {"Responses": {}}, size) == 3.0


def test_a_write_costs_the_units_that_ministack_reports() -> None:
    assert count_write_units({}, {"ConsumedCapacity": {"CapacityUnits": 3.0}}, size) == 3.0
    assert count_write_units({}, {"ConsumedCapacity": [{"CapacityUnits": 3.0}, {"CapacityUnits": 4.0}]}, size) == 7.0


def test_a_refused_transaction_costs_two_units_per_kb_of_its_puts() -> None:
    puts = [{"Put": {"Item": {"bytes": 700}}}, {"Put": {"Item": {"bytes": 1500}}}]

    assert count_write_units({"TransactItems": puts}, {"__type": "TransactionCanceledException"}, size) == 2.0 + 4.0


def test_an_entry_is_one_event_and_an_entry_above_64_kb_is_several() -> None:
    entry = {"Source": "pigeonhole", "DetailType": "Uploads Classified"}
    small, large = entry | {"Detail": "{}"}, entry | {"Detail": "x" * 65_536}

    assert count_events({"Entries": [small] * 10}) == 10.0
    assert count_events({"Entries": [small, large]}) == 3.0
